"""The interface between a cable and whoever decides about its line."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class Check(Enum):
    """How a line looks."""

    FINE = "fine"
    PROBE = "probe"
    """Ask the server for a sign of life, once for each doubt. Only worth it where :attr:`LineFacts.probes` holds."""
    DEAD = "dead"
    """Drop it, and dial anew."""


@frozen
class Look:
    """What a monitor has decided, until *again*."""

    up: bool
    """Whether the line should be up."""
    check: Check = Check.FINE
    """How the present line looks; of no matter while there is none."""
    again: float | None = None
    """When to be asked again at the latest, on the clock of ``now``; ``None``: when something happens."""


@frozen
class LineFacts:
    """What is known of a line that has come up."""

    probes: bool = False
    """Whether the server answers a ``ping`` of ours, as AnyCable does and Rails does not."""
    slack: float = 0.0
    """Seconds that a question may have to wait on this line before it goes, as with long polling."""


class Monitor:
    """Decides when the line should be up, and whether it is alive.

    Subclass it and define :meth:`look`; override what else you need to hear. Nothing here waits, sleeps or reads a
    clock: ``now`` is a monotonic time in seconds, and the cable asks again when :attr:`Look.again` has come and after
    each call. One object serves one cable.

    Example, a line that is up for the first ten seconds of every minute::

        class Glimpse(Monitor):
            def look(self, now):
                second = now % 60
                return Look(up=second < 10, again=now + (10 - second if second < 10 else 60 - second))
    """

    def look(self, now: float) -> Look:
        """Decide. Called often: keep it quick, and free of side effects that matter."""
        raise NotImplementedError

    @property
    def params(self) -> Mapping[str, str]:
        """Query parameters to dial with, such as AnyCable's ``pi``, the beat to ask for."""
        return {}

    @property
    def dials_at_once(self) -> bool:
        """Whether ``cable.open()`` is to wait for the line. False: it returns at once, and demand dials."""
        return True

    @property
    def perform_wakes(self) -> bool:
        """Whether a command that is sent while the line is down is a demand for it. False: the command fails."""
        return False

    def tune(self, numbers: Mapping[str, float]) -> None:
        """Take numbers from a :class:`~cableway.RemotePolicy`, such as ``missed_beats``; ignore what is unknown."""

    def line_up(self, facts: LineFacts, now: float) -> None:
        """The server has welcomed us."""

    def line_down(self, now: float) -> None:
        """The line is gone, or was let go."""

    def heard(self, at: float) -> None:
        """Something was last received *at* that time. Told before each look, not for each frame."""

    def pinged(self, now: float) -> None:
        """A beat of the server came."""

    def interrupted(self, now: float) -> None:
        """We did not read for a while: the gap between the beats before and after it is not the server's."""

    def suspect(self, now: float, slept: float = 0.0) -> None:
        """The network changed, or the host slept for *slept* seconds: the line may be dead without a sign."""

    def demand(self, now: float, *, hold: bool = False) -> None:
        """Somebody needs the line; with *hold* until :meth:`release`."""

    def release(self, now: float) -> None:
        """One who held the line needs it no more."""

    def rest(self, now: float) -> None:
        """Forget the demands that nobody holds."""
