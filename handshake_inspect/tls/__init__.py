"""TLS as it crosses the wire: octets to facts.  It knows no segments and no connections."""
