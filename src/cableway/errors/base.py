"""The root of the tree."""

from __future__ import annotations


class CableError(Exception):
    """Root of all errors that Cableway raises on purpose."""

    retryable: bool = False
    """Whether the same call, made again later, can succeed."""
