"""The fleet of ``cableway demo``: trackers that report, a dispatcher that listens, a gateway that dies and comes back.

Trackers keep each position until the dispatcher has acknowledged it, and send it again where that takes too long, so
every position arrives at least once; the dispatcher knows positions by their id, so each counts once.
"""
