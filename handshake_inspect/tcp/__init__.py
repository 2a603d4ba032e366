"""Track connections from segments: the state machine of RFC 9293, both endpoints, handshakes, RTT and losses."""
