"""A line that is always up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.policies.monitors.base import Check, LineFacts, Look, Monitor
from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_BEAT = 0.5
"""Seconds. Beats closer together came late, in a heap after a stall, and say nothing of the interval."""

GRACE = 3.0
"""Seconds on top of the missed beats, for a slow network."""

UNKNOWN_BEAT_LIMIT = 1.5 * 30 + GRACE
"""Seconds of silence allowed before a beat is known: the first one of a server that beats every 30 s comes up to one
and a half intervals after the welcome (AnyCable)."""

MOST_PATIENCE = 4
"""By how much more silence is allowed, at most, after lines that fell silent one after the other."""

FORGET_SILENCE = 3600.0
"""Seconds after which one that fell silent is forgotten."""

SERVER_BEAT = 3.0
"""What Rails and AnyCable beat by, unless they are told otherwise."""


class PersistentMonitor(Monitor):
    """Keeps the line up at all times, and finds out when it is dead.

    Any frame is a sign of life. The server's beat is learned from its pings, so that a server that beats every 30 s is
    not taken for dead. Where the server can be asked (AnyCable), it is before a verdict. When lines fall silent one
    after the other, more silence is allowed for an hour, up to four times as much, within 48 s.

    Args:
        beat: Seconds between beats to ask the server for (``?pi=``, AnyCable); fewer beats spare a battery. ``None``
            leaves it to the server.
        missed_beats: Beats that may be missing.
        grace: Seconds on top, for a slow network.
        probe_timeout: Seconds that the answer to a probe may take.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    def __init__(
        self,
        *,
        beat: Seconds | None = None,
        missed_beats: float = 2,
        grace: Seconds = GRACE,
        probe_timeout: Seconds = 5.0,
    ) -> None:
        self._asked_beat = None if beat is None else _whole(to_seconds(beat, "beat"))
        self._missed_beats = _check_missed(missed_beats)
        self._grace = to_seconds(grace, "grace")
        self._own = {"missed_beats": self._missed_beats, "grace": self._grace}
        self._probe_timeout = to_seconds(probe_timeout, "probe_timeout")
        self._facts: LineFacts | None = None
        self._beat: float | None = None
        self._last_ping: float | None = None
        self._last_heard = 0.0
        self._suspected_at: float | None = None
        self._probed_at: float | None = None
        self._dead = False
        self._fell_silent = False
        self._silent_at = float("-inf")
        self._patience = 1

    @property
    def params(self) -> Mapping[str, str]:
        """``pi``, where a beat was asked for."""
        return {} if self._asked_beat is None else {"pi": str(self._asked_beat)}

    @property
    def beat(self) -> float | None:
        """Seconds between beats, as learned on this line; ``None`` before two of them."""
        return self._beat

    @property
    def limit(self) -> float:
        """Seconds of silence after which the line is in doubt."""
        if self._beat is not None:
            limit = self._missed_beats * self._beat + self._grace
            return max(limit, min(self._patience * limit, UNKNOWN_BEAT_LIMIT))
        # A server may ignore the beat that was asked for, and its first one comes up to half a beat late.
        return max(UNKNOWN_BEAT_LIMIT, max(self._missed_beats, 1.5) * (self._asked_beat or 0) + self._grace)

    def look(self, now: float) -> Look:
        """The line should be up; tell how it looks."""
        check, again = self.judge(now)
        return Look(up=True, check=check, again=again)

    def judge(self, now: float) -> tuple[Check, float | None]:
        """Tell how the line looks, and when to look again."""
        if self._facts is None:
            return Check.FINE, None
        if self._dead:
            return Check.DEAD, None
        doubt = self._doubt_at()
        if now < doubt:
            return Check.FINE, doubt
        if not self._facts.probes:
            self._fell_silent = self._suspected_at is None
            return Check.DEAD, None
        patience = self._probe_timeout + self._facts.slack
        if self._probed_at is None:
            self._probed_at = now
            return Check.PROBE, now + patience
        verdict = self._probed_at + patience
        return (Check.FINE, verdict) if now < verdict else (Check.DEAD, None)

    def _doubt_at(self) -> float:
        silent_until = self._last_heard + self.limit
        if self._suspected_at is None or self._facts is None:
            return silent_until
        # A line under suspicion gets one beat to prove itself; where it can be asked, it is asked at once.
        wait = 0.0 if self._facts.probes else (self._beat or max(SERVER_BEAT, self._asked_beat or 0)) + self._grace
        return min(silent_until, self._suspected_at + (wait and wait + self._facts.slack))

    def tune(self, numbers: Mapping[str, float]) -> None:
        """Take ``missed_beats`` and ``grace``; one that is not given is again what the monitor was built with.

        Raises:
            ValueError: One is out of its range; the text names it.
        """
        missed_beats, grace = (numbers.get(name, own) for name, own in self._own.items())
        self._missed_beats, self._grace = _check_missed(missed_beats), to_seconds(grace, "grace")

    def line_up(self, facts: LineFacts, now: float) -> None:
        """Begin to watch a line."""
        self._facts = facts
        self._last_heard = now
        self._grow_patient(now)
        # The next server may beat otherwise: what the last one taught would find its line dead before it can teach.
        self._beat = self._last_ping = self._suspected_at = self._probed_at = None
        self._dead = False

    def _grow_patient(self, now: float) -> None:
        # Silent again so soon: rather a network that is slow and loses much, where each new line only costs more time.
        if self._fell_silent:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._silent_at = now
        elif now - self._silent_at > FORGET_SILENCE:
            self._patience = 1
        self._fell_silent = False

    def line_down(self, now: float) -> None:  # noqa: ARG002 - the interface
        """Stop watching."""
        self._facts = None

    def heard(self, at: float) -> None:
        """Take note of a sign of life."""
        if at > self._last_heard:
            self._last_heard = at
            self._fell_silent = False
            self._probed_at = None
            if self._suspected_at is not None and at > self._suspected_at:
                self._suspected_at = None

    def pinged(self, now: float) -> None:
        """Learn the beat."""
        gap = 0.0 if self._last_ping is None else now - self._last_ping
        if gap >= SHORTEST_BEAT:
            # A late beat widens the limit at once; early ones, after a stall, narrow it slowly.
            self._beat = gap if self._beat is None or gap > self._beat else 0.75 * self._beat + 0.25 * gap
        self._last_ping = now

    def interrupted(self, now: float) -> None:  # noqa: ARG002 - the interface
        """Learn nothing from the gap."""
        self._last_ping = None

    def suspect(self, now: float, slept: float = 0.0) -> None:
        """Take the line for dead after a sleep that no server waits out; else ask it for a sign of life."""
        if slept > self.limit:
            self._dead = True
        # The gap that the sleep tore is no beat.
        self._last_ping = None
        self._suspected_at = now


def _check_missed(missed_beats: float) -> float:
    if not 1 <= missed_beats < float("inf"):
        msg = f"missed_beats={missed_beats!r} is not a number of beats that may be missing: give 1 or more"
        raise ValueError(msg)
    return missed_beats


def _whole(seconds: float) -> int:
    if seconds < 1 or seconds != int(seconds):
        msg = f"beat={seconds:g} cannot be asked for: AnyCable takes whole seconds, at least 1"
        raise ValueError(msg)
    return int(seconds)
