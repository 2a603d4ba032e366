"""Connections to judgements: outcome, cause, confidence and findings, asked of columns."""
