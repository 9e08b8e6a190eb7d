"""The server's session machine: what to answer, what to ask of the application, and when to say goodbye.

The rules, and every transition, are in :mod:`cableway.wire.server_table`; this module carries them out. Nothing here
does I/O: bytes, verdicts of the application and the time go in, effects come out, in the order in which to do them.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from cableway.errors import MalformedFrame
from cableway.transitions import look_up
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import Perform, Probe, Subscribe, Unsubscribe
from cableway.wire.dialects.base_server import (
    BaseServerDialect,
    ReceivedCommand,
    ServerFrame,
    UnknownCommand,
    UnreadableCommand,
)
from cableway.wire.frames import Confirm, Disconnect, Ping, Pong, Reject, Welcome
from cableway.wire.server_table import (
    SUBSCRIPTION_TABLE,
    TABLE,
    Action,
    SessionEvent,
    SessionState,
    SubscriptionAction,
    SubscriptionEvent,
    SubscriptionState,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.wire.codecs.base import Codec

AppCommand: TypeAlias = Subscribe | Unsubscribe | Perform
"""What the application is asked to run."""


class Verdict(Enum):
    """How the application's work on a command ended."""

    CONFIRMED = SubscriptionEvent.CONFIRMED
    REJECTED = SubscriptionEvent.REJECTED
    DONE = SubscriptionEvent.DONE
    FAILED = SubscriptionEvent.FAILED


class Oddity(Enum):
    """What a client may do that is counted and otherwise without effect."""

    MALFORMED_FRAME = "malformed_frame"
    UNKNOWN_COMMAND = "unknown_command"
    UNREADABLE_COMMAND = "unreadable_command"
    DUPLICATE_SUBSCRIBE = "duplicate_subscribe"
    UNKNOWN_SUBSCRIPTION = "unknown_subscription"


@frozen
class SendFrame:
    """Write *frame* to the client."""

    frame: bytes


@frozen
class Ask:
    """Let the application run *command*, and call ``settle``. Nothing else is asked before that."""

    command: AppCommand


@frozen
class WakeAt:
    """Call ``wake`` at the time *at*."""

    at: float


@frozen
class CloseLine:
    """Close the WebSocket, once everything before this is written."""

    code: int
    reason: str


@frozen
class Leave:
    """The session is over: end each of *identifiers*, in this order. Said once, last."""

    identifiers: tuple[str, ...]


@frozen
class Note:
    """The client did something odd; *detail* is for people."""

    oddity: Oddity
    detail: str = ""


Effect: TypeAlias = SendFrame | Ask | WakeAt | CloseLine | Leave | Note


@frozen
class Expulsion:
    """Why and how we end a session."""

    reason: str
    reconnect: bool
    code: int = 1000
    close_reason: str = ""
    retry_after: float | None = None
    """Seconds over which the clients should spread their return."""


UNAUTHORIZED = Expulsion("unauthorized", reconnect=False, close_reason="Auth Failed")
TOKEN_EXPIRED = Expulsion("token_expired", reconnect=False, close_reason="Auth Failed")
SERVER_RESTART = Expulsion("server_restart", reconnect=True, code=1001, close_reason="Server restart")


def server_restart(retry_after: float | None = None) -> Expulsion:
    """End a session because the server goes away; *retry_after* is how many seconds the crowd should take to return."""
    return evolve(SERVER_RESTART, retry_after=retry_after)


TOO_SLOW = Expulsion("too_slow", reconnect=True)


def closed_remotely(*, reconnect: bool) -> Expulsion:
    """End a session because somebody asked for it."""
    return Expulsion("remote", reconnect, close_reason="Closed remotely")


@frozen
class PingPlan:
    """When a session is pinged, and in which unit a ping counts the time."""

    interval: float = 3.0
    """Seconds between pings; 0 or less means none."""
    first: float = 1.0
    """How many intervals the first ping takes. Servers draw it from 0.5 to 1.5, so that a crowd is spread."""
    precision: str = "s"
    """``s``, ``ms`` or ``ns``; anything else means seconds."""

    def stamp(self, unix_ns: int) -> int:
        """Write the time as a ping's message."""
        return unix_ns // {"ms": 1_000_000, "ns": 1}.get(self.precision, 1_000_000_000)


@frozen
class Revoke:
    """The application takes the subscription *identifier* back."""

    identifier: str


HeldCommand: TypeAlias = ReceivedCommand | Revoke


@define
class ServerSession:
    """One session of one client. Each method returns what to do, in order."""

    sid: str = ""
    pings: PingPlan = PingPlan()
    codec: Codec = Factory(JSONCodec)
    dialect: BaseServerDialect = Factory(BaseServerDialect)
    state: SessionState = field(default=SessionState.CONNECTING, init=False)
    subscriptions: dict[str, SubscriptionState] = field(factory=dict[str, SubscriptionState], init=False)
    held: deque[HeldCommand] = field(factory=deque[HeldCommand], init=False)
    """Commands that wait for the application; whoever reads the socket should pause when this grows."""
    running: AppCommand | None = field(default=None, init=False)
    ping_at: float = field(default=0.0, init=False)

    def receive(self, frame: bytes) -> list[Effect]:
        """Take one message of the client. What cannot be read is noted and skipped."""
        try:
            mapping = self.codec.decode(frame)
            if mapping is None:
                return []
            command = self.dialect.parse(mapping)
        except MalformedFrame as error:
            return [Note(Oddity.MALFORMED_FRAME, error.rule)]
        return self.step(SessionEvent.COMMAND, command)

    def accept(self, now: float) -> list[Effect]:
        """Let the client in: the application authorised it."""
        return self.step(SessionEvent.ACCEPTED, now)

    def refuse(self, expulsion: Expulsion = UNAUTHORIZED) -> list[Effect]:
        """Turn the client away, for good: the application does not authorise it."""
        return self.step(SessionEvent.REFUSED, expulsion)

    def fail(self) -> list[Effect]:
        """Turn the client away without a word: the application broke while it was asked."""
        return self.step(SessionEvent.FAILED)

    def settle(self, verdict: Verdict) -> list[Effect]:
        """Learn how the command that was asked last has ended."""
        return self.step(SessionEvent.SETTLED, verdict)

    def deliver(self, identifier: str, frame: bytes) -> list[Effect]:
        """Send *frame*, composed for *identifier*, unless that subscription is not (or no longer) there."""
        return self.step(SessionEvent.DELIVER, (identifier, frame))

    def revoke(self, identifier: str) -> list[Effect]:
        """Take a confirmed subscription back."""
        return self.step(SessionEvent.COMMAND, Revoke(identifier))

    def wake(self, now: float, unix_ns: int) -> list[Effect]:
        """Send the ping that is due."""
        return self.step(SessionEvent.PING_DUE, (now, unix_ns))

    def expel(self, expulsion: Expulsion) -> list[Effect]:
        """End the session from our side."""
        return self.step(SessionEvent.EXPELLED, expulsion)

    def lost(self) -> list[Effect]:
        """Learn that the client is gone, whoever closed the line. May be called again."""
        return self.step(SessionEvent.LOST)

    def step(self, event: SessionEvent, fact: Any = None) -> list[Effect]:
        """Move by *event*, as the table says.

        Raises:
            UnexpectedEvent: The event cannot happen in this state.
        """
        transition = look_up(TABLE, self.state, event)
        self.state = transition.target
        return [effect for action in transition.actions for effect in _ACTIONS[action](self, fact)]

    def step_subscription(self, identifier: str, event: SubscriptionEvent, fact: Any = None) -> list[Effect]:
        """Move one identifier by *event*, as the table says.

        Raises:
            UnexpectedEvent: The event cannot happen in the identifier's state.
        """
        transition = look_up(SUBSCRIPTION_TABLE, self.subscriptions.get(identifier, SubscriptionState.ABSENT), event)
        if transition.target is SubscriptionState.ABSENT:
            self.subscriptions.pop(identifier, None)
        else:
            self.subscriptions[identifier] = transition.target
        fact = identifier if fact is None else fact
        return [effect for action in transition.actions for effect in _SUBSCRIPTION_ACTIONS[action](self, fact)]


# What is done about one identifier -----------------------------------------------------------------------------------


def _say(session: ServerSession, frame: ServerFrame) -> SendFrame:
    return SendFrame(session.codec.encode(session.dialect.compose(frame)))


def _ask(session: ServerSession, command: AppCommand) -> list[Effect]:
    session.running = command
    return [*session.step(SessionEvent.ASKED), Ask(command)]


_SUBSCRIPTION_ACTIONS: Mapping[SubscriptionAction, Callable[[ServerSession, Any], list[Effect]]] = {
    SubscriptionAction.ASK: _ask,
    SubscriptionAction.CONFIRM: lambda session, identifier: [_say(session, Confirm(identifier))],
    SubscriptionAction.REJECT: lambda session, identifier: [_say(session, Reject(identifier))],
    SubscriptionAction.TAKE_BACK: lambda session, identifier: _ask(session, Unsubscribe(identifier)),
    SubscriptionAction.SEND: lambda _session, frame: [SendFrame(frame)],
    SubscriptionAction.NOTE_DUPLICATE: lambda _session, _fact: [Note(Oddity.DUPLICATE_SUBSCRIBE)],
    SubscriptionAction.NOTE_UNKNOWN: lambda _session, _fact: [Note(Oddity.UNKNOWN_SUBSCRIPTION)],
}


# What is done about the session --------------------------------------------------------------------------------------


def _welcome(session: ServerSession, now: float) -> list[Effect]:
    welcome = _say(session, Welcome(session.sid or None))
    if session.pings.interval <= 0:
        return [welcome]
    session.ping_at = now + session.pings.interval * session.pings.first
    return [welcome, WakeAt(session.ping_at)]


def _hold(session: ServerSession, command: HeldCommand) -> list[Effect]:
    if isinstance(command, Revoke):
        # Commands sent in ignorance of it must not reach the channel first.
        session.held.appendleft(command)
    else:
        session.held.append(command)
    return []


_EVENTS: Mapping[type[HeldCommand], SubscriptionEvent] = {
    Subscribe: SubscriptionEvent.SUBSCRIBE,
    Unsubscribe: SubscriptionEvent.UNSUBSCRIBE,
    Perform: SubscriptionEvent.PERFORM,
}


def _take(session: ServerSession, command: HeldCommand) -> list[Effect]:
    match command:
        case Subscribe(""):
            return [_say(session, Reject(None))]
        case Subscribe(identifier) | Unsubscribe(identifier) | Perform(identifier):
            return session.step_subscription(identifier, _EVENTS[type(command)], command)
        case Revoke(identifier):
            return session.step_subscription(identifier, SubscriptionEvent.REVOKE)
        case Probe():
            return [_say(session, Pong())]
        case UnknownCommand(name):
            return [Note(Oddity.UNKNOWN_COMMAND, name)]
        case UnreadableCommand(name, rule):
            return [Note(Oddity.UNREADABLE_COMMAND, f"{name}: {rule}")]


def _run_held(session: ServerSession, _fact: object) -> list[Effect]:
    effects: list[Effect] = []
    while session.held and session.running is None:
        effects += _take(session, session.held.popleft())
    return effects


def _finish(session: ServerSession, verdict: Verdict) -> list[Effect]:
    command, session.running = session.running, None
    return session.step_subscription(command.identifier, verdict.value) if command is not None else []


def _finish_unheard(session: ServerSession, verdict: Verdict) -> list[Effect]:
    _finish(session, verdict)
    return []


def _drain(session: ServerSession, _fact: object) -> list[Effect]:
    effects: list[Effect] = [effect for effect in _run_held(session, None) if not isinstance(effect, SendFrame)]
    if session.running is None:
        effects += session.step(SessionEvent.DRAINED)
    return effects


def _deliver(session: ServerSession, fact: tuple[str, bytes]) -> list[Effect]:
    identifier, frame = fact
    return session.step_subscription(identifier, SubscriptionEvent.DELIVER, frame)


def _ping(session: ServerSession, fact: tuple[float, int]) -> list[Effect]:
    now, unix_ns = fact
    # From the time it was due, so that pings do not drift; from now after a pause, so that they come in no burst.
    due = session.ping_at + session.pings.interval
    session.ping_at = due if due > now else now + session.pings.interval
    return [_say(session, Ping(session.pings.stamp(unix_ns))), WakeAt(session.ping_at)]


def _dismiss(session: ServerSession, expulsion: Expulsion) -> list[Effect]:
    session.held.clear()
    goodbye = _say(session, Disconnect(expulsion.reason, expulsion.reconnect, expulsion.retry_after))
    return [goodbye, CloseLine(expulsion.code, expulsion.close_reason)]


def _drop_held(session: ServerSession, _fact: object) -> list[Effect]:
    session.held.clear()
    return []


def _leave(session: ServerSession, _fact: object) -> list[Effect]:
    session.held.clear()
    joined = tuple(session.subscriptions)
    session.subscriptions.clear()
    return [Leave(joined)]


_ACTIONS: Mapping[Action, Callable[[ServerSession, Any], list[Effect]]] = {
    Action.WELCOME: _welcome,
    Action.CLOSE_BARE: lambda _session, _fact: [CloseLine(1011, "Auth Error")],
    Action.HOLD: _hold,
    Action.TAKE: _take,
    Action.RUN_HELD: _run_held,
    Action.FINISH: _finish,
    Action.FINISH_UNHEARD: _finish_unheard,
    Action.DRAIN: _drain,
    Action.DELIVER: _deliver,
    Action.PING: _ping,
    Action.DISMISS: _dismiss,
    Action.DROP_HELD: _drop_held,
    Action.LEAVE: _leave,
}
