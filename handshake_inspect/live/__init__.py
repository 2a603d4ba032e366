"""Frames as they cross an interface: from the kernel's ring, a capturing child process, or a pipe."""
