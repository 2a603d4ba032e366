"""A small network laboratory: real Linux kernels' TCP between network namespaces, captured by tcpdump."""
