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
    from cableway.errors import CableError as CableError
    from cableway.errors import ConnectError as ConnectError
    from cableway.errors import ConnectTimeout as ConnectTimeout
    from cableway.errors import HandshakeRefused as HandshakeRefused
    from cableway.errors import HostUnreachable as HostUnreachable
    from cableway.errors import InvalidHeader as InvalidHeader
    from cableway.errors import InvalidIdentifier as InvalidIdentifier
    from cableway.errors import InvalidPayload as InvalidPayload
    from cableway.errors import InvalidURL as InvalidURL
    from cableway.errors import LineClosed as LineClosed
    from cableway.errors import LineLost as LineLost
    from cableway.errors import LineStale as LineStale
    from cableway.errors import MailboxOverflow as MailboxOverflow
    from cableway.errors import MalformedFrame as MalformedFrame
    from cableway.errors import MessageTooLarge as MessageTooLarge
    from cableway.errors import MissingExtra as MissingExtra
    from cableway.errors import NamingFault as NamingFault
    from cableway.errors import NotAWebSocket as NotAWebSocket
    from cableway.errors import NotConnected as NotConnected
    from cableway.errors import ProxyFailure as ProxyFailure
    from cableway.errors import PublishFailed as PublishFailed
    from cableway.errors import ServerDisconnect as ServerDisconnect
    from cableway.errors import SourceFailed as SourceFailed
    from cableway.errors import SubscriptionClosed as SubscriptionClosed
    from cableway.errors import SubscriptionError as SubscriptionError
    from cableway.errors import SubscriptionRejected as SubscriptionRejected
    from cableway.errors import SubscriptionTimeout as SubscriptionTimeout
    from cableway.errors import TLSFailure as TLSFailure
    from cableway.errors import Unauthorized as Unauthorized
    from cableway.errors import UnsupportedProtocol as UnsupportedProtocol
    from cableway.errors import UsageError as UsageError
    from cableway.errors import WrongLoop as WrongLoop
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

__all__ = [
    "Backoff",
    "Cable",
    "CableError",
    "CableStats",
    "CallbackFailed",
    "Channel",
    "Closed",
    "ConfirmationTimedOut",
    "ConnectError",
    "ConnectTimeout",
    "Connected",
    "Connecting",
    "Connection",
    "DialRequest",
    "Disconnected",
    "Event",
    "ExponentialBackoff",
    "HandshakeRefused",
    "HostUnreachable",
    "InvalidHeader",
    "InvalidIdentifier",
    "InvalidPayload",
    "InvalidURL",
    "LineClosed",
    "LineLost",
    "LineStale",
    "MailboxOverflow",
    "MalformedFrame",
    "MemoryServer",
    "MemoryTransport",
    "Message",
    "MessageTooLarge",
    "MessagesDropped",
    "MissingExtra",
    "NamingFailed",
    "NamingFault",
    "NotAWebSocket",
    "NotConnected",
    "ProxyFailure",
    "PublishFailed",
    "Rejected",
    "RetryScheduled",
    "ServerDisconnect",
    "ServerErrorReceived",
    "ServerMisbehaved",
    "Sink",
    "SourceFailed",
    "State",
    "Subscription",
    "SubscriptionClosed",
    "SubscriptionError",
    "SubscriptionOptions",
    "SubscriptionRejected",
    "SubscriptionState",
    "SubscriptionStats",
    "SubscriptionTimeout",
    "TLSFailure",
    "Transport",
    "Unauthorized",
    "UnsupportedProtocol",
    "UsageError",
    "WebSocketTransport",
    "WrongLoop",
    "action",
    "latest_by",
]

_HOMES = {
    "Backoff": "cableway.policies.backoff",
    "Cable": "cableway.cable",
    "CableError": "cableway.errors",
    "CableStats": "cableway.cable",
    "CallbackFailed": "cableway.events",
    "Channel": "cableway.channel",
    "Closed": "cableway.events",
    "ConfirmationTimedOut": "cableway.events",
    "ConnectError": "cableway.errors",
    "ConnectTimeout": "cableway.errors",
    "Connected": "cableway.events",
    "Connecting": "cableway.events",
    "Connection": "cableway.transports.base",
    "DialRequest": "cableway.transports.base",
    "Disconnected": "cableway.events",
    "Event": "cableway.events",
    "ExponentialBackoff": "cableway.policies.backoff",
    "HandshakeRefused": "cableway.errors",
    "HostUnreachable": "cableway.errors",
    "InvalidHeader": "cableway.errors",
    "InvalidIdentifier": "cableway.errors",
    "InvalidPayload": "cableway.errors",
    "InvalidURL": "cableway.errors",
    "LineClosed": "cableway.errors",
    "LineLost": "cableway.errors",
    "LineStale": "cableway.errors",
    "MailboxOverflow": "cableway.errors",
    "MalformedFrame": "cableway.errors",
    "MemoryServer": "cableway.transports.memory",
    "MemoryTransport": "cableway.transports.memory",
    "Message": "cableway.wire.message",
    "MessageTooLarge": "cableway.errors",
    "MessagesDropped": "cableway.events",
    "MissingExtra": "cableway.errors",
    "NamingFailed": "cableway.events",
    "NamingFault": "cableway.errors",
    "NotAWebSocket": "cableway.errors",
    "NotConnected": "cableway.errors",
    "ProxyFailure": "cableway.errors",
    "PublishFailed": "cableway.errors",
    "Rejected": "cableway.events",
    "RetryScheduled": "cableway.events",
    "ServerDisconnect": "cableway.errors",
    "ServerErrorReceived": "cableway.events",
    "ServerMisbehaved": "cableway.events",
    "Sink": "cableway.transports.base",
    "SourceFailed": "cableway.errors",
    "State": "cableway.states",
    "Subscription": "cableway.subscription",
    "SubscriptionClosed": "cableway.errors",
    "SubscriptionError": "cableway.errors",
    "SubscriptionOptions": "cableway.hub.options",
    "SubscriptionRejected": "cableway.errors",
    "SubscriptionState": "cableway.states",
    "SubscriptionStats": "cableway.subscription",
    "SubscriptionTimeout": "cableway.errors",
    "TLSFailure": "cableway.errors",
    "Transport": "cableway.transports.base",
    "Unauthorized": "cableway.errors",
    "UnsupportedProtocol": "cableway.errors",
    "UsageError": "cableway.errors",
    "WebSocketTransport": "cableway.transports.websocket",
    "WrongLoop": "cableway.errors",
    "action": "cableway.channel",
    "latest_by": "cableway.hub.options",
}
"""The module of each public name, imported when the name is first used: what is not used costs nothing."""

_PARTS = ("errors", "events", "gateway", "server", "sync")
"""Public modules that need not be imported by name: ``cableway.sync.Cable`` just works."""


def __getattr__(name: str) -> object:
    if name in _PARTS:
        return import_module(f"cableway.{name}")
    home = _HOMES.get(name)
    if home is None:
        if name == "__version__":
            from importlib.metadata import version

            return version("cableway")
        msg = f"module 'cableway' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
