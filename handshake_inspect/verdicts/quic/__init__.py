"""Verdicts on QUIC connections: outcome, set-up cost, and races with TCP."""
