"""Read captures: open files, pipes and URLs, decompress them, and split pcap and pcapng into frames."""
