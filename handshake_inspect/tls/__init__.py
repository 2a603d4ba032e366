"""Parse TLS handshake messages from bytes; independent of segments and connections."""
