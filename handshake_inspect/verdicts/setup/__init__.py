"""What connecting cost, from the first SYN to the first byte of the answer: whose time it was, what would save it."""
