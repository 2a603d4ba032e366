"""Set-up of connections: what is said between the handshake and the first byte of the response.

`exchange` gets each segment: plain requests and their responses end there.  All else has a `focus`, and goes through
`reassembly` to `records` of TLS or to `text`; `waits` looks on.  What is found is in `setup_rows`, which `store` keeps.
"""
