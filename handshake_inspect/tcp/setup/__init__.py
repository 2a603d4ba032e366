"""Parse connection set-up: everything between the TCP handshake and the first byte of the response.

`exchange` receives each segment and handles plain requests and responses itself.  Everything else is passed in a
`Focus` through `reassembly` to `records` (TLS) or `text`, while `waits` measures pauses.  The results are in the rows
of `setup_rows`, allocated by `store`.
"""
