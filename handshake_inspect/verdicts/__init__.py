"""Connections to judgements: outcome, cause, confidence and findings, computed over columns."""
