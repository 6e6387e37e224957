"""Shells around the protocol: the only input and output that the daemon does."""
