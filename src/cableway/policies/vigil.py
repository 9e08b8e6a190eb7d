"""Whether the server still reads: pings prove that it writes, and no more.

AnyCable stops reading a line on which a frame makes no sense to it, and beats on. So after a command, where the server
answers a question for a sign of life, it is asked one; who does not answer in time does not read.
"""

from __future__ import annotations

PAUSE = 30.0
"""Seconds between two questions, at least: one small frame, and only on a line that is used."""

PATIENCE = 30.0
"""Seconds for the answer: the server runs the commands before it first, and an application may be slow."""


class Vigil:
    """Watches over one line after another."""

    def __init__(self) -> None:
        self._asks = False
        self._wanted_at: float | None = None
        self._asked_at: float | None = None
        self._last_ask = float("-inf")
        self._patience = PATIENCE

    def line_up(self, *, asks: bool, slack: float = 0.0) -> None:
        """A new line; *asks*: its server answers such questions, which may have to wait for *slack* seconds first."""
        self._asks = asks
        self._patience = PATIENCE + slack
        self._wanted_at = self._asked_at = None
        self._last_ask = float("-inf")

    @property
    def deadline(self) -> float | None:
        """When :meth:`ask` or :meth:`is_deaf` has something to say."""
        if self._asked_at is not None:
            return self._asked_at + self._patience
        return self._wanted_at

    def said(self, now: float) -> None:
        """A command was written."""
        if self._asks and self._asked_at is None and self._wanted_at is None:
            self._wanted_at = max(now, self._last_ask) + PAUSE

    def doubt(self, now: float) -> None:
        """Something was not answered: ask now."""
        if self._asks and self._asked_at is None:
            self._wanted_at = now

    def answered(self) -> None:
        """The server gave a sign of life that it was asked for."""
        self._asked_at = None

    def excuse(self, now: float) -> None:
        """We did not read for a while: the answer may be among what we have not read."""
        if self._asked_at is not None:
            self._asked_at = now
        elif self._wanted_at is not None:
            self._wanted_at = max(self._wanted_at, now + PAUSE)

    def ask(self, now: float) -> bool:
        """Tell whether to ask now; then it counts as asked."""
        if self._asked_at is not None or self._wanted_at is None or now < self._wanted_at:
            return False
        self._wanted_at = None
        self._asked_at = self._last_ask = now
        return True

    def is_deaf(self, now: float) -> bool:
        """Tell whether the server does not read any more."""
        return self._asked_at is not None and now >= self._asked_at + self._patience
