"""What the standards fix: constants, sequence arithmetic, addresses."""
