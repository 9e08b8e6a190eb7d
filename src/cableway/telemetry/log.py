"""Log lines of the logger ``cableway``: one line an event, never a payload, never a secret.

INFO tells changes of state, WARNING what went wrong and is tried again, ERROR what was given up. What another line says
as well, and what has been said often, is DEBUG.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cableway import events
from cableway.redact import printable
from cableway.states import Recovery
from cableway.telemetry.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.events import Event

logger: logging.Logger = logging.getLogger("cableway")
logger.addHandler(logging.NullHandler())


Line = tuple[int, str, tuple[object, ...]]
"""A level, a text that begins with the place for the source, and what else goes into it."""


class EventLog:
    """Writes the lines of one source."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._repeats = Repeats()
        self._up = False

    def write(self, event: Event) -> None:
        """Write the line for *event*."""
        writer = _LINES.get(type(event))
        level, text, arguments = writer(event) if writer is not None else (logging.DEBUG, "%s: %s", (event,))
        failure = event.error if isinstance(event, events.CallbackFailed) else None
        if not self._is_new(event):
            level = logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(level, text, self._source, *arguments, exc_info=failure)

    def _is_new(self, event: Event) -> bool:
        match event:
            case events.Connected():
                self._up = True
                self._repeats.over()
            case events.Disconnected():
                # Of a dial that failed, what follows says as much: the next dial, or that there is none.
                was_up, self._up = self._up, False
                return was_up
            case events.RetryScheduled():
                return self._repeats.is_news(event)
        return True


def _connected(event: events.Connected) -> Line:
    word = "reconnected" if event.reconnected else "connected"
    return logging.INFO, "%s: %s by %s, %s", (word, event.transport, event.protocol)


def _closed(event: events.Closed) -> Line:
    if event.error is None:
        return logging.INFO, "%s: closed", ()
    return logging.ERROR, "%s: given up: %s", (event.error,)


_LINES: dict[type[Event], Callable[[Any], Line]] = {
    events.Connecting: lambda event: (
        logging.DEBUG,
        "%s: dial %d to %s%s",
        (event.attempt, event.address, f" by {event.transport}" if event.transport else ""),
    ),
    events.Connected: _connected,
    events.Disconnected: lambda event: (logging.INFO, "%s: disconnected: %s", (event.error or "closed by the user",)),
    events.RetryScheduled: lambda event: (
        logging.WARNING,
        "%s: dial %d in %.2f s: %s",
        (event.attempt, event.delay, event.error),
    ),
    events.Closed: _closed,
    events.TokenRenewed: lambda event: (
        logging.INFO,
        "%s: a token came, good for %s",
        ("an unknown time" if event.life is None else f"{event.life:.0f} s",),
    ),
    events.TokenRenewalFailed: lambda event: (
        logging.ERROR if event.expired else logging.WARNING,
        "%s: no new token%s: %s",
        (", and the last one is over" if event.expired else "", event.error),
    ),
    events.HandedOver: lambda event: (logging.INFO, "%s: a new line took over, recovery %s", (event.recovery.value,)),
    events.TransportChanged: lambda event: (
        logging.INFO if event.reason.endswith(events.WORKS_AGAIN) else logging.WARNING,
        "%s: %s carries the line in place of %s: %s",
        (event.transport, event.previous, event.reason),
    ),
    events.Dormant: lambda _: (logging.INFO, "%s: dormant", ()),
    events.Demanded: lambda event: (logging.DEBUG, "%s: the line is needed: %s", (printable(event.reason),)),
    events.Rejected: lambda event: (
        logging.WARNING,
        "%s: %s by the server",
        ("revoked" if event.revoked else "rejected",),
    ),
    events.ConfirmationTimedOut: lambda event: (logging.WARNING, "%s: %s", (event.error,)),
    events.MessagesDropped: lambda event: (
        logging.WARNING,
        "%s: mailbox full (%s), %d messages lost so far",
        (event.policy, event.dropped),
    ),
    events.ServerMisbehaved: lambda event: (logging.WARNING, "%s: malformed frames from the server: %s", (event.rule,)),
    events.ServerErrorReceived: lambda event: (
        logging.WARNING,
        "%s: the server sent an error frame with %d fields",
        (len(event.fields),),
    ),
    events.CallbackFailed: lambda event: (logging.ERROR, "%s: the callback %s failed", (event.callback,)),
    events.SubscriptionMoved: lambda event: (
        logging.INFO,
        "%s: moved from %s to %s",
        (printable(event.source), printable(event.target)),
    ),
    events.MoveFailed: lambda event: (
        logging.WARNING,
        "%s: could not move from %s to %s, next try in %.2f s: %s",
        (printable(event.source), printable(event.target or "any other shard"), event.delay, event.error),
    ),
    events.Recovered: lambda event: (
        logging.INFO
        if event.recovery is Recovery.COMPLETE or event.reason.endswith(events.NO_PAST)
        else logging.WARNING,
        "%s: recovery %s, %d messages replayed%s",
        (event.recovery.value, event.replayed, f": {event.reason}" if event.reason else ""),
    ),
    events.Gap: lambda event: (
        logging.INFO if event.healed else logging.WARNING,
        "%s: messages %d to %d of a stream were missing, and %s",
        (event.first, event.last, "were fetched" if event.healed else "are lost"),
    ),
    events.PresenceJoined: lambda _: (logging.DEBUG, "%s: somebody came", ()),
    events.PresenceLeft: lambda _: (logging.DEBUG, "%s: somebody went", ()),
    events.PresenceSynced: lambda event: (logging.DEBUG, "%s: %d are present", (len(event.members),)),
    events.PresenceUnavailable: lambda event: (logging.WARNING, "%s: presence is not known: %s", (event.reason,)),
    events.Stale: lambda event: (logging.WARNING, "%s: stale, nothing has come for %.3g s", (event.age,)),
    events.Fresh: lambda event: (logging.INFO, "%s: fresh again after %.3g s", (event.age,)),
    events.PositionsNotSaved: lambda event: (logging.ERROR, "%s: the position was not saved: %s", (event.error,)),
    events.NamingFailed: lambda event: (
        logging.WARNING,
        "%s: the function that names the stream failed: %s",
        (type(event.error).__name__,),
    ),
}
