"""Segments to connections: RFC 9293 as data, two endpoints each, handshake pairing and RTT."""
