"""Report to text: one file per format; no renderer imports another."""
