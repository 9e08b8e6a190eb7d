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

from cableway.homes import HOMES

if TYPE_CHECKING:
    from cableway.auth.carriage import TokenCarriage as TokenCarriage
    from cableway.auth.carriage import in_header as in_header
    from cableway.auth.carriage import in_query as in_query
    from cableway.auth.carriage import in_subprotocol as in_subprotocol
    from cableway.auth.providers.base import TokenProvider as TokenProvider
    from cableway.auth.providers.command import CommandToken as CommandToken
    from cableway.auth.providers.endpoint import EndpointToken as EndpointToken
    from cableway.auth.providers.file import FileToken as FileToken
    from cableway.auth.providers.function import CallableToken as CallableToken
    from cableway.auth.providers.static import StaticToken as StaticToken
    from cableway.auth.renewal import TokenRenewal as TokenRenewal
    from cableway.auth.token import Token as Token
    from cableway.cable import Cable as Cable
    from cableway.channel import Channel as Channel
    from cableway.channel import action as action
    from cableway.engine.gate import DialGate as DialGate
    from cableway.errors import BadPolicy as BadPolicy
    from cableway.errors import CableError as CableError
    from cableway.errors import CaptivePortal as CaptivePortal
    from cableway.errors import ConnectError as ConnectError
    from cableway.errors import ConnectTimeout as ConnectTimeout
    from cableway.errors import HandshakeCut as HandshakeCut
    from cableway.errors import HandshakeRefused as HandshakeRefused
    from cableway.errors import HistoryRejected as HistoryRejected
    from cableway.errors import HistoryTimeout as HistoryTimeout
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
    from cableway.errors import NotOffered as NotOffered
    from cableway.errors import NotSupported as NotSupported
    from cableway.errors import PinMismatch as PinMismatch
    from cableway.errors import PolicyFailed as PolicyFailed
    from cableway.errors import PositionsFailed as PositionsFailed
    from cableway.errors import PresenceFailed as PresenceFailed
    from cableway.errors import PresenceTimeout as PresenceTimeout
    from cableway.errors import ProxyFailure as ProxyFailure
    from cableway.errors import PublishFailed as PublishFailed
    from cableway.errors import RetriesExhausted as RetriesExhausted
    from cableway.errors import ServerDisconnect as ServerDisconnect
    from cableway.errors import ServerSilent as ServerSilent
    from cableway.errors import SourceFailed as SourceFailed
    from cableway.errors import SubscriptionClosed as SubscriptionClosed
    from cableway.errors import SubscriptionError as SubscriptionError
    from cableway.errors import SubscriptionRejected as SubscriptionRejected
    from cableway.errors import SubscriptionTimeout as SubscriptionTimeout
    from cableway.errors import TLSFailure as TLSFailure
    from cableway.errors import TokenUnavailable as TokenUnavailable
    from cableway.errors import Unauthorized as Unauthorized
    from cableway.errors import UnsupportedProtocol as UnsupportedProtocol
    from cableway.errors import UsageError as UsageError
    from cableway.errors import WrongLoop as WrongLoop
    from cableway.events import CallbackFailed as CallbackFailed
    from cableway.events import Closed as Closed
    from cableway.events import ConfirmationTimedOut as ConfirmationTimedOut
    from cableway.events import Connected as Connected
    from cableway.events import Connecting as Connecting
    from cableway.events import Demanded as Demanded
    from cableway.events import Disconnected as Disconnected
    from cableway.events import Dormant as Dormant
    from cableway.events import Event as Event
    from cableway.events import Fresh as Fresh
    from cableway.events import Gap as Gap
    from cableway.events import HandedOver as HandedOver
    from cableway.events import MessagesDropped as MessagesDropped
    from cableway.events import MoveFailed as MoveFailed
    from cableway.events import NamingFailed as NamingFailed
    from cableway.events import PositionsNotSaved as PositionsNotSaved
    from cableway.events import PresenceJoined as PresenceJoined
    from cableway.events import PresenceLeft as PresenceLeft
    from cableway.events import PresenceSynced as PresenceSynced
    from cableway.events import PresenceUnavailable as PresenceUnavailable
    from cableway.events import Recovered as Recovered
    from cableway.events import Rejected as Rejected
    from cableway.events import RetryScheduled as RetryScheduled
    from cableway.events import ServerErrorReceived as ServerErrorReceived
    from cableway.events import ServerMisbehaved as ServerMisbehaved
    from cableway.events import ShardEvent as ShardEvent
    from cableway.events import Stale as Stale
    from cableway.events import SubscriptionMoved as SubscriptionMoved
    from cableway.events import TokenRenewalFailed as TokenRenewalFailed
    from cableway.events import TokenRenewed as TokenRenewed
    from cableway.events import TransportChanged as TransportChanged
    from cableway.hub.options import SubscriptionOptions as SubscriptionOptions
    from cableway.hub.options import latest_by as latest_by
    from cableway.policies.backoff import Backoff as Backoff
    from cableway.policies.backoff import ConstantBackoff as ConstantBackoff
    from cableway.policies.backoff import DecorrelatedBackoff as DecorrelatedBackoff
    from cableway.policies.backoff import ExponentialBackoff as ExponentialBackoff
    from cableway.policies.borrowed import from_tenacity as from_tenacity
    from cableway.policies.energy import LTE as LTE
    from cableway.policies.energy import UMTS as UMTS
    from cableway.policies.energy import WIFI as WIFI
    from cableway.policies.energy import EnergyAccountant as EnergyAccountant
    from cableway.policies.energy import EnergyFigures as EnergyFigures
    from cableway.policies.energy import RadioPhase as RadioPhase
    from cableway.policies.energy import RadioProfile as RadioProfile
    from cableway.policies.monitors.base import Check as Check
    from cableway.policies.monitors.base import LineFacts as LineFacts
    from cableway.policies.monitors.base import Look as Look
    from cableway.policies.monitors.base import Monitor as Monitor
    from cableway.policies.monitors.manual import ManualMonitor as ManualMonitor
    from cableway.policies.monitors.on_demand import OnDemandMonitor as OnDemandMonitor
    from cableway.policies.monitors.persistent import PersistentMonitor as PersistentMonitor
    from cableway.policies.remote import Policy as Policy
    from cableway.policies.remote import sign_policy as sign_policy
    from cableway.policies.topics import TopicRouter as TopicRouter
    from cableway.positions.base import PositionStore as PositionStore
    from cableway.positions.memory import MemoryPositions as MemoryPositions
    from cableway.positions.sqlite import SQLitePositions as SQLitePositions
    from cableway.presence import Presence as Presence
    from cableway.remote import RemotePolicy as RemotePolicy
    from cableway.sharded import ShardedCable as ShardedCable
    from cableway.sharding.subscription import ShardedSubscription as ShardedSubscription
    from cableway.states import Recovery as Recovery
    from cableway.states import State as State
    from cableway.states import SubscriptionState as SubscriptionState
    from cableway.stats import CableStats as CableStats
    from cableway.stats import SubscriptionStats as SubscriptionStats
    from cableway.subscription import Subscription as Subscription
    from cableway.transports.base import Connection as Connection
    from cableway.transports.base import DialRequest as DialRequest
    from cableway.transports.base import Sink as Sink
    from cableway.transports.base import Transport as Transport
    from cableway.transports.chain import Fallback as Fallback
    from cableway.transports.event_stream import EventStreamTransport as EventStreamTransport
    from cableway.transports.memory import MemoryServer as MemoryServer
    from cableway.transports.memory import MemoryTransport as MemoryTransport
    from cableway.transports.pinning import pinned_context as pinned_context
    from cableway.transports.polling import LongPollingTransport as LongPollingTransport
    from cableway.transports.polling import Pace as Pace
    from cableway.transports.websocket import WebSocketTransport as WebSocketTransport
    from cableway.wire.message import Message as Message
    from cableway.wire.positions import Bookmark as Bookmark
    from cableway.wire.positions import HistoryQuery as HistoryQuery
    from cableway.wire.positions import Member as Member
    from cableway.wire.positions import Position as Position

__all__ = [
    "LTE",
    "UMTS",
    "WIFI",
    "Backoff",
    "BadPolicy",
    "Bookmark",
    "Cable",
    "CableError",
    "CableStats",
    "CallableToken",
    "CallbackFailed",
    "CaptivePortal",
    "Channel",
    "Check",
    "Closed",
    "CommandToken",
    "ConfirmationTimedOut",
    "ConnectError",
    "ConnectTimeout",
    "Connected",
    "Connecting",
    "Connection",
    "ConstantBackoff",
    "DecorrelatedBackoff",
    "Demanded",
    "DialGate",
    "DialRequest",
    "Disconnected",
    "Dormant",
    "EndpointToken",
    "EnergyAccountant",
    "EnergyFigures",
    "Event",
    "EventStreamTransport",
    "ExponentialBackoff",
    "Fallback",
    "FileToken",
    "Fresh",
    "Gap",
    "HandedOver",
    "HandshakeCut",
    "HandshakeRefused",
    "HistoryQuery",
    "HistoryRejected",
    "HistoryTimeout",
    "HostUnreachable",
    "InvalidHeader",
    "InvalidIdentifier",
    "InvalidPayload",
    "InvalidURL",
    "LineClosed",
    "LineFacts",
    "LineLost",
    "LineStale",
    "LongPollingTransport",
    "Look",
    "MailboxOverflow",
    "MalformedFrame",
    "ManualMonitor",
    "Member",
    "MemoryPositions",
    "MemoryServer",
    "MemoryTransport",
    "Message",
    "MessageTooLarge",
    "MessagesDropped",
    "MissingExtra",
    "Monitor",
    "MoveFailed",
    "NamingFailed",
    "NamingFault",
    "NotAWebSocket",
    "NotConnected",
    "NotOffered",
    "NotSupported",
    "OnDemandMonitor",
    "Pace",
    "PersistentMonitor",
    "PinMismatch",
    "Policy",
    "PolicyFailed",
    "Position",
    "PositionStore",
    "PositionsFailed",
    "PositionsNotSaved",
    "Presence",
    "PresenceFailed",
    "PresenceJoined",
    "PresenceLeft",
    "PresenceSynced",
    "PresenceTimeout",
    "PresenceUnavailable",
    "ProxyFailure",
    "PublishFailed",
    "RadioPhase",
    "RadioProfile",
    "Recovered",
    "Recovery",
    "Rejected",
    "RemotePolicy",
    "RetriesExhausted",
    "RetryScheduled",
    "SQLitePositions",
    "ServerDisconnect",
    "ServerErrorReceived",
    "ServerMisbehaved",
    "ServerSilent",
    "ShardEvent",
    "ShardedCable",
    "ShardedSubscription",
    "Sink",
    "SourceFailed",
    "Stale",
    "State",
    "StaticToken",
    "Subscription",
    "SubscriptionClosed",
    "SubscriptionError",
    "SubscriptionMoved",
    "SubscriptionOptions",
    "SubscriptionRejected",
    "SubscriptionState",
    "SubscriptionStats",
    "SubscriptionTimeout",
    "TLSFailure",
    "Token",
    "TokenCarriage",
    "TokenProvider",
    "TokenRenewal",
    "TokenRenewalFailed",
    "TokenRenewed",
    "TokenUnavailable",
    "TopicRouter",
    "Transport",
    "TransportChanged",
    "Unauthorized",
    "UnsupportedProtocol",
    "UsageError",
    "WebSocketTransport",
    "WrongLoop",
    "action",
    "from_tenacity",
    "in_header",
    "in_query",
    "in_subprotocol",
    "latest_by",
    "pinned_context",
    "sign_policy",
]

_PARTS = ("errors", "events", "gateway", "server", "sync")
"""Public modules that need not be imported by name: ``cableway.sync.Cable`` just works."""


def __getattr__(name: str) -> object:
    if name in _PARTS:
        return import_module(f"cableway.{name}")
    home = HOMES.get(name)
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
