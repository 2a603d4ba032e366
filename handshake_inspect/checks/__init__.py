"""Checks of reports: rules for CI, comparison of two reports, pairing of two captures, and Wireshark as a reference."""
