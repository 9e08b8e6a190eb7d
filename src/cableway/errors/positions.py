"""Positions that could not be kept, or not be read again."""

from __future__ import annotations

from cableway.errors.base import CableError
from cableway.redact import printable


class PositionsFailed(CableError):
    """A file of positions could not be read or written; ``__cause__`` is the error beneath.

    A save that failed is not forgotten: the next one writes what this one could not.
    """

    def __init__(self, path: str, task: str, what: str, *, hint: str = "", retryable: bool = False) -> None:
        self.path = path
        self.task = task
        """What was asked of the store: ``load``, ``save``, ``forget`` or ``close``."""
        self.what = what
        """What happened."""
        self.hint = hint
        """The way out."""
        self.retryable = retryable
        way_out = f". {hint}" if hint else ""
        super().__init__(f"cannot {task} positions in {printable(path)}: {printable(what)}{way_out}")
