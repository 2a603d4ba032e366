"""Connection set-up, from the first SYN to the first byte of the response: where the time went, what would save it."""
