"""Frames to segments: link layer, IP, TCP and the ICMP errors that quote TCP."""
