"""A line that is up when it is told to be."""

from __future__ import annotations

from cableway.policies.monitors.base import Look
from cableway.policies.monitors.persistent import PersistentMonitor


class ManualMonitor(PersistentMonitor):
    """Has the line up from ``cable.wake()`` to ``cable.rest()``, and inside ``async with cable.awake()``.

    Nothing else wakes it, and nothing else lets it go. While it is up it is watched as :class:`PersistentMonitor` does,
    whose arguments it takes.
    """

    _woken = False
    _holds = 0

    @property
    def dials_at_once(self) -> bool:
        """False: ``cable.open()`` returns at once."""
        return False

    def look(self, now: float) -> Look:
        """The line should be up while it was woken or is held."""
        check, again = self.judge(now)
        return Look(up=self._woken or self._holds > 0, check=check, again=again)

    def demand(self, now: float, *, hold: bool = False) -> None:  # noqa: ARG002 - the interface
        """Have the line up."""
        if hold:
            self._holds += 1
        else:
            self._woken = True

    def release(self, now: float) -> None:  # noqa: ARG002 - the interface
        """One hold less."""
        self._holds = max(0, self._holds - 1)

    def rest(self, now: float) -> None:  # noqa: ARG002 - the interface
        """Let the line go, unless it is held."""
        self._woken = False
