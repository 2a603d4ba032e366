"""QUIC connections judged: what became of them, what setting them up cost, which of them raced with TCP."""
