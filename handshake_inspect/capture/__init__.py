"""Containers to frames: pcap, pcapng and the bytes they come from."""
