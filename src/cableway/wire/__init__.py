"""The protocol without I/O: identifiers, commands, frames, codecs, dialects and both session machines.

Client and gateway meet only here. Nothing in this package reads a clock, opens a socket or draws a random number.
"""
