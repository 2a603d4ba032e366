"""TLS as it crosses the wire: bytes to facts.  It knows no segments and no connections."""
