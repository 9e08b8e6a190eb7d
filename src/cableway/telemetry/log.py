"""Log lines of the logger ``cableway``: one line an event, never a payload, never a secret.

INFO tells changes of state, WARNING what went wrong and is tried again, ERROR what was given up.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cableway import events

if TYPE_CHECKING:
    from cableway.events import Event

logger = logging.getLogger("cableway")
logger.addHandler(logging.NullHandler())


def log_event(source: str, event: Event) -> None:
    """Write the line for *event*, if there is one."""
    match event:
        case events.Connecting(attempt, address):
            logger.debug("%s: dial %d to %s", source, attempt, address)
        case events.Connected(reconnected, transport, protocol):
            word = "reconnected" if reconnected else "connected"
            logger.info("%s: %s by %s, %s", source, word, transport, protocol)
        case events.Disconnected(error):
            logger.info("%s: disconnected: %s", source, error or "closed by the user")
        case events.RetryScheduled(delay, attempt, error):
            logger.warning("%s: dial %d in %.2f s: %s", source, attempt, delay, error)
        case events.Closed(None):
            logger.info("%s: closed", source)
        case events.Closed(error):
            logger.error("%s: given up: %s", source, error)
        case events.Rejected(_, revoked):
            logger.warning("%s: %s by the server", source, "revoked" if revoked else "rejected")
        case events.ConfirmationTimedOut(error):
            logger.warning("%s", error)
        case events.MessagesDropped(_, policy, dropped):
            logger.warning("%s: mailbox full (%s), %d messages lost so far", source, policy, dropped)
        case events.ServerMisbehaved(rule):
            logger.warning("%s: malformed frames from the server: %s", source, rule)
        case events.ServerErrorReceived(fields):
            logger.warning("%s: the server sent an error frame with %d fields", source, len(fields))
        case events.CallbackFailed(callback, error):
            logger.error("%s: the callback %s failed", source, callback, exc_info=error)
        case events.NamingFailed(error):
            logger.warning("%s: the function that names the stream failed: %s", source, type(error).__name__)
        case _:
            logger.debug("%s: %s", source, event)
