"""Track QUIC connections (RFC 9000) by the unencrypted parts of their packet headers.

`datagram` parses the packets of a UDP datagram, `tracker` keeps a row per connection, and `initial` decrypts Initial
packets, whose keys are public, to read the hellos.
"""
