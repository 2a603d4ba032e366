"""DNS lookups (RFC 1035) in the capture: client, question, times, and the addresses of the answer."""
