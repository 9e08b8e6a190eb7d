"""Decisions without I/O: when to dial, how long to wait, what a failure means, whether a line is alive."""
