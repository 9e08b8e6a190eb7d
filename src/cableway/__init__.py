"""Cableway: a client for Action Cable and AnyCable that keeps the line up where lines break.

Example::

    from cableway import Cable

    async with Cable("wss://example.com/cable") as cable:
        async with cable.subscribe("ChatChannel", room=42) as chat:
            await chat.perform("speak", text="hi")
            async for message in chat:
                print(message.data)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cableway.cable import Cable as Cable
    from cableway.cable import CableStats as CableStats
    from cableway.channel import Channel as Channel
    from cableway.channel import action as action
    from cableway.errors import *  # noqa: F403 - the whole tree is public
    from cableway.events import CallbackFailed as CallbackFailed
    from cableway.events import Closed as Closed
    from cableway.events import ConfirmationTimedOut as ConfirmationTimedOut
    from cableway.events import Connected as Connected
    from cableway.events import Connecting as Connecting
    from cableway.events import Disconnected as Disconnected
    from cableway.events import Event as Event
    from cableway.events import MessagesDropped as MessagesDropped
    from cableway.events import NamingFailed as NamingFailed
    from cableway.events import Rejected as Rejected
    from cableway.events import RetryScheduled as RetryScheduled
    from cableway.events import ServerErrorReceived as ServerErrorReceived
    from cableway.events import ServerMisbehaved as ServerMisbehaved
    from cableway.hub.options import SubscriptionOptions as SubscriptionOptions
    from cableway.hub.options import latest_by as latest_by
    from cableway.policies.backoff import Backoff as Backoff
    from cableway.policies.backoff import ExponentialBackoff as ExponentialBackoff
    from cableway.states import State as State
    from cableway.states import SubscriptionState as SubscriptionState
    from cableway.subscription import Subscription as Subscription
    from cableway.subscription import SubscriptionStats as SubscriptionStats
    from cableway.transports.base import Connection as Connection
    from cableway.transports.base import DialRequest as DialRequest
    from cableway.transports.base import Sink as Sink
    from cableway.transports.base import Transport as Transport
    from cableway.transports.memory import MemoryServer as MemoryServer
    from cableway.transports.memory import MemoryTransport as MemoryTransport
    from cableway.transports.websocket import WebSocketTransport as WebSocketTransport
    from cableway.wire.message import Message as Message

_EVENTS = (
    "CallbackFailed Closed ConfirmationTimedOut Connected Connecting Disconnected Event MessagesDropped NamingFailed "
    "Rejected RetryScheduled ServerErrorReceived ServerMisbehaved"
).split()

_ERRORS = (
    "CableError ConnectError ConnectTimeout HandshakeRefused HostUnreachable InvalidHeader InvalidIdentifier "
    "InvalidPayload InvalidURL LineClosed LineLost LineStale MailboxOverflow MalformedFrame MessageTooLarge "
    "MissingExtra NotAWebSocket NotConnected ProxyFailure PublishFailed ServerDisconnect SourceFailed "
    "SubscriptionClosed SubscriptionError SubscriptionRejected SubscriptionTimeout TLSFailure Unauthorized "
    "UnsupportedProtocol UsageError WrongLoop"
).split()

_HOMES = {
    **dict.fromkeys(("Cable", "CableStats"), "cableway.cable"),
    **dict.fromkeys(("Channel", "action"), "cableway.channel"),
    **dict.fromkeys(_EVENTS, "cableway.events"),
    **dict.fromkeys(_ERRORS, "cableway.errors"),
    **dict.fromkeys(("SubscriptionOptions", "latest_by"), "cableway.hub.options"),
    **dict.fromkeys(("Backoff", "ExponentialBackoff"), "cableway.policies.backoff"),
    **dict.fromkeys(("State", "SubscriptionState"), "cableway.states"),
    **dict.fromkeys(("Subscription", "SubscriptionStats"), "cableway.subscription"),
    **dict.fromkeys(("Connection", "DialRequest", "Sink", "Transport"), "cableway.transports.base"),
    **dict.fromkeys(("MemoryServer", "MemoryTransport"), "cableway.transports.memory"),
    "WebSocketTransport": "cableway.transports.websocket",
    "Message": "cableway.wire.message",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - the names are those of the table above


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415 - slow, and seldom asked for

            return version("cableway")
        msg = f"module 'cableway' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
