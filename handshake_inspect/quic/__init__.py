"""QUIC (RFC 9000): connections read from the headers of their packets, which are in the clear.

`datagram` walks the packets of one UDP datagram, `tracker` keeps a row per connection, and `initial` opens what keys of
everybody open: the Initial packets with their names.
"""
