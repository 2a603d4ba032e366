"""Lookups of names (RFC 1035) in the same capture: who asked for what, when, and which addresses the answer gave."""
