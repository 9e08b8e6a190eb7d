"""Figures of a line's health: how long answers take, and how regularly the server beats."""

from __future__ import annotations

from attrs import define, field

ROUND_TRIP_GAIN = 1 / 8
"""Weight of a new round trip in the smoothed one (RFC 6298, 2.3)."""

JITTER_GAIN = 1 / 16
"""Weight of a new deviation in the jitter (RFC 3550, 6.4.1)."""

LONGEST_GAP = 120.0
"""Seconds. Beats further apart have a pause between them and say nothing of regularity."""


@define
class Vitals:
    """Keeps the figures of one line after another."""

    round_trip: float | None = None
    """Seconds from a question of ours to its answer, smoothed; ``None`` where the server was never asked."""
    jitter: float | None = None
    """Seconds by which the gaps between the server's beats differ, smoothed; ``None`` before three beats."""
    _asked_at: float | None = field(default=None, init=False)
    _beat_at: float | None = field(default=None, init=False)
    _gap: float | None = field(default=None, init=False)

    def line_up(self) -> None:
        """A new line: what was asked on the old one is not answered any more."""
        self._asked_at = self._beat_at = self._gap = None

    def asked(self, now: float) -> None:
        """We asked for a sign of life."""
        if self._asked_at is None:
            self._asked_at = now

    def answered(self, now: float) -> None:
        """The answer came."""
        if self._asked_at is None:
            return
        took, self._asked_at = now - self._asked_at, None
        old = self.round_trip
        self.round_trip = took if old is None else old + ROUND_TRIP_GAIN * (took - old)

    def beaten(self, now: float) -> None:
        """The server beat."""
        last, self._beat_at = self._beat_at, now
        if last is None or now - last > LONGEST_GAP:
            self._gap = None
            return
        before, self._gap = self._gap, now - last
        if before is not None:
            deviation = abs(self._gap - before)
            self.jitter = (self.jitter or 0.0) + JITTER_GAIN * (deviation - (self.jitter or 0.0))
