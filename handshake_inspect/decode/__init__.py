"""Decode frames into segments: link layer, tunnels, IP, TCP, and ICMP errors that quote TCP."""
