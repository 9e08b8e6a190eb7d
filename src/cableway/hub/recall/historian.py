"""What all subscriptions of a cable share when they ask for their past: the line, the clock, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway.hub.agenda import Agenda
from cableway.hub.effects import Doubt, Send
from cableway.hub.recall.clock import ServerClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.events import Event
    from cableway.hub.effects import HubEffect
    from cableway.hub.recall.recall import Recall
    from cableway.hub.router import Router
    from cableway.hub.wish import Wish
    from cableway.wire.commands import Command
    from cableway.wire.message import Message


@define(eq=False)
class Historian:
    """Serves the recalls of one hub."""

    ask: Callable[[HubEffect], None]
    clock: ServerClock = field(factory=ServerClock)
    agenda: Agenda[Recall] = field(factory=Agenda)
    extended: bool = False
    """Whether the line speaks of places and has a past to ask for."""
    server: int = 0
    """Counts the servers: the next line's is another one, unless it gave us back the session of the line before."""
    protocol: str = ""
    """What the line speaks."""
    slack: float = 0.0
    """Seconds that a question may have to wait on the line before it goes."""
    pinged: float | None = None
    """The server's time in the last ping of a line that was up."""
    beaten_at: float = float("-inf")
    """When the server last beat."""
    on_doubt: Callable[[Wish, float], None] = lambda *_: None
    """Called where something may have been missed."""
    now: float = 0.0
    """The present, as last told."""
    moved: dict[Wish, None] = field(factory=dict)
    """Subscriptions whose place has changed and was not saved yet."""
    router: Router = field(init=False)

    def send(self, command: Command) -> None:
        """Write a command."""
        self.ask(Send(command))

    def put(self, wish: Wish, message: Message[Any], size: int) -> None:
        """Deliver a message to all holders."""
        self.router.put(wish, message, size)

    def tell(self, wish: Wish, event: Event) -> None:
        """Tell all holders."""
        for handle in list(wish.handles):
            handle.tell(event)

    def doubt(self, what: str) -> None:
        """The server did not answer: have it asked for a sign of life."""
        self.ask(Doubt(what))

    def resync(self, wish: Wish) -> None:
        """What was missed is not known: have all holders brought up to date by their own means, before they go on."""
        for handle in list(wish.handles):
            if handle.options.on_resync is not None:
                handle.mailbox.bar()

    def beaten(self, message: object, now: float) -> None:
        """The server beat."""
        self.beaten_at = now
        stamp = self.clock.beaten(message, now)
        if stamp is not None:
            self.pinged = stamp
