"""The presence of all subscriptions of one hub: which book hears what, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.hub.effects import HubEffect, Send
from cableway.hub.presence import LAPSES, PresenceBook
from cableway.hub.wish import Stand
from cableway.wire.frames import PresenceChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from cableway.events import Event
    from cableway.hub.wish import Handle, Wish
    from cableway.wire.frames import PresenceNews
    from cableway.wire.positions import Member


class Attendance:
    """A book for each wish whose presence somebody asked for, or of which news came."""

    def __init__(self, wishes: Mapping[str, Wish], random: Random, ask: Callable[[HubEffect], None]) -> None:
        self.lacks: str = LAPSES
        """Why the line keeps no presence; empty where it does."""
        self.slack: float = 0.0
        """Seconds that a question may have to wait on the line before it goes."""
        self._wishes = wishes
        self._random = random
        self._ask = ask
        self._books: dict[Wish, PresenceBook] = {}
        # Whose handle's join it is, so that it ends with that handle.
        self._owners: dict[Wish, Handle] = {}

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` next has something to do."""
        return min((book.deadline for book in self._books.values() if book.deadline is not None), default=None)

    def book(self, wish: Wish, now: float) -> PresenceBook:
        """Return the book of *wish*."""
        found = self._books.get(wish)
        if found is None:
            found = self._books[wish] = PresenceBook(wish.identifier or "", self._random)
            if wish.stand is Stand.LIVE:
                self.confirmed(wish, now)
        return found

    # What the user does

    def join(self, handle: Handle, member: Member, now: float) -> None:
        """Be present as *member* in the subscription of *handle*, in place of whoever another handle had joined as."""
        self._owners[handle.wish] = handle
        self.book(handle.wish, now).join(member)
        self.hand_on(handle.wish)

    def leave(self, handle: Handle, now: float) -> None:
        """Be present no more, whichever handle had joined."""
        self._owners.pop(handle.wish, None)
        self.book(handle.wish, now).leave()
        self.hand_on(handle.wish)

    def gone(self, handle: Handle, now: float) -> None:
        """A handle was given back: what it had joined as goes with it."""
        if self._owners.get(handle.wish) is handle:
            self.leave(handle, now)

    # What the line does

    def confirmed(self, wish: Wish, now: float, *, entered: Member | None = None) -> None:
        """A subscription is live; *entered* was in its subscribe command."""
        book = self._books.get(wish)
        if book is not None:
            book.identifier = wish.identifier or ""
            book.slack = self.slack
            book.confirmed(now, lacks=self.lacks, entered=entered)
            self.hand_on(wish)

    def down(self, wish: Wish) -> None:
        """A subscription is live no more."""
        book = self._books.get(wish)
        if book is not None:
            book.line_down()

    def moved(self, wish: Wish, now: float) -> None:
        """A live subscription goes on in another session: presence belongs to sessions, and is said again."""
        self.down(wish)
        self.confirmed(wish, now)

    def gap(self, wish: Wish, now: float) -> None:
        """Something of a subscription may have been missed."""
        book = self._books.get(wish)
        if book is not None:
            book.gap(now)
            self.hand_on(wish)

    def news(self, frame: PresenceNews, now: float) -> None:
        """The server says who came, who went, or who is there."""
        wish = self._wishes.get(frame.identifier)
        if wish is None or not wish.handles:
            return
        book = self.book(wish, now)
        if isinstance(frame, PresenceChange):
            book.change(frame)
        else:
            book.info(frame, now)
        self.hand_on(wish)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for wish, book in list(self._books.items()):
            if book.deadline is not None and book.deadline <= now:
                book.tick(now)
                self.hand_on(wish)

    def forget(self, wish: Wish) -> None:
        """A wish is over for the server: it ends the presence by itself."""
        _ = self._books.pop(wish, None), self._owners.pop(wish, None)

    def hand_on(self, wish: Wish) -> None:
        """Have sent and told what the book of *wish* has to say."""
        commands, events = self._books[wish].take()
        for command in commands:
            self._ask(Send(command))
        told: list[Event | None] = [*events] or [None]
        for handle in list(wish.handles):
            for event in told:
                handle.tell(event)
