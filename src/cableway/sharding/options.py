"""The options that the cables of all shards share, and those of which each needs its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway.errors import UsageError
from cableway.policies.monitors import Monitor

if TYPE_CHECKING:
    from collections.abc import Mapping


class CableOptions:
    """Keywords for the cable of each shard."""

    def __init__(self, given: Mapping[str, Any], open_timeout: float | None = None) -> None:
        self.open_timeout: float | None = open_timeout
        """Longest wait, in seconds, for a line that a command has woken."""
        self._given = dict(given)
        self._monitors: list[object] = []
        monitor = self._given.get("monitor")
        if monitor is not None and (isinstance(monitor, Monitor) or not callable(monitor)):
            msg = (
                f"monitor={type(monitor).__name__}(...) watches one cable, and each shard has its own: "
                f"give a function that makes one, such as monitor=lambda: PersistentMonitor()"
            )
            raise UsageError(msg)

    def make(self) -> dict[str, Any]:
        """Return the keywords for one more cable.

        Raises:
            UsageError: The function given as ``monitor`` made none, or gave one for the second time.
        """
        options = dict(self._given)
        factory = options.get("monitor")
        if factory is not None:
            options["monitor"] = monitor = factory()
            if not isinstance(monitor, Monitor):
                msg = f"the function given as monitor= returned {monitor!r}, which is no Monitor"
                raise UsageError(msg)
            if any(monitor is other for other in self._monitors):
                msg = "the function given as monitor= returned one monitor twice: have it make a new one each time"
                raise UsageError(msg)
            self._monitors.append(monitor)
        return options
