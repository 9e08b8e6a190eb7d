"""Tells holders when nothing has come for too long: a line that is alive is not yet data that is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.events import Stale
from cableway.hub.agenda import Agenda

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cableway.hub.wish import Handle, Wish


class Freshness:
    """Watches the handles that asked for it. Reading a message sets no timer: a look at its time finds it moved on."""

    def __init__(self) -> None:
        self.agenda: Agenda[Handle] = Agenda()

    def watch(self, handle: Handle, now: float) -> None:
        """Watch *handle* from now on, if it has an age to watch."""
        handle.fresh_from = now
        if handle.options.max_age is not None:
            self.agenda.put(handle, now + handle.options.max_age)

    def begin(self, wishes: Iterable[Wish], now: float) -> None:
        """The cable opens: only from now on something can come for those who asked before."""
        for wish in wishes:
            for handle in wish.handles:
                self.watch(handle, now)

    def ignore(self, handle: Handle) -> None:
        """Watch *handle* no more."""
        self.agenda.put(handle, None)
        if handle.stale_at is not None:
            handle.stale_at = None
            handle.wish.stale -= 1

    def tick(self, now: float) -> None:
        """Tell those whose time has come."""
        while (handle := self.agenda.take(now)) is not None:
            limit = handle.options.max_age or 0.0
            heard = max(handle.wish.heard or 0.0, handle.fresh_from)
            if now < heard + limit:
                self.agenda.put(handle, heard + limit)
                continue
            if handle.stale_at is None:
                handle.stale_at = heard
                handle.wish.stale += 1
                handle.tell(Stale(now - heard))
            # Fresh again, it is looked at again: at the earliest when a message that comes now has grown old.
            self.agenda.put(handle, now + limit)
