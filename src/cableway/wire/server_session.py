"""The server's session machine: what to answer, what to ask of the application, and when to say goodbye.

The rules, and every transition, are in :mod:`cableway.wire.server_table`; this module carries them out. Nothing here
does I/O: bytes, verdicts of the application and the time go in, effects come out, in the order in which to do them.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import Factory, define, field, frozen

from cableway.errors import MalformedFrame
from cableway.transitions import look_up
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import AskPresence, Beat, History, Join, Perform, Probe, Subscribe, Unsubscribe, Whisper
from cableway.wire.commands import Leave as CommandLeave
from cableway.wire.dialects.base_server import BaseServerDialect, ReceivedCommand, UnknownCommand, UnreadableCommand
from cableway.wire.dialects.extended_server import ExtendedFrame, ExtendedServerDialect
from cableway.wire.expulsions import NO_PONG, UNAUTHORIZED, Expulsion
from cableway.wire.frames import Confirm, Disconnect, Ping, Pong, Reject, Welcome
from cableway.wire.server_pulse import Due, PingPlan, Pulse
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

AppCommand: TypeAlias = Subscribe | Unsubscribe | Perform | History | Whisper | Join | CommandLeave | AskPresence
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
class Revoke:
    """The application takes the subscription *identifier* back."""

    identifier: str


HeldCommand: TypeAlias = ReceivedCommand | Revoke


@define
class ServerSession:
    """One session of one client. Each method returns what to do, in order."""

    sid: str = ""
    pings: PingPlan = Factory(PingPlan)
    codec: Codec = Factory(JSONCodec)
    dialect: BaseServerDialect = Factory(ExtendedServerDialect)
    deafens: bool = False
    """Whether a frame that makes no sense ends the reading, while the pings go on: as with AnyCable."""
    state: SessionState = field(default=SessionState.CONNECTING, init=False)
    subscriptions: dict[str, SubscriptionState] = field(factory=dict[str, SubscriptionState], init=False)
    held: deque[HeldCommand] = field(factory=deque[HeldCommand], init=False)
    """Commands that wait for the application; whoever reads the socket should pause when this grows."""
    running: AppCommand | None = field(default=None, init=False)
    pulse: Pulse = field(init=False)
    deaf: bool = field(default=False, init=False)
    """Whether nothing is read any more."""

    def __attrs_post_init__(self) -> None:
        """Be ready to beat."""
        self.pulse = Pulse(self.pings)

    def receive(self, frame: bytes) -> list[Effect]:
        """Take one message of the client. What cannot be read is noted and skipped."""
        if self.deaf:
            return []
        try:
            mapping = self.codec.decode(frame)
            if mapping is None:
                return []
            command = self.dialect.parse(mapping)
        except MalformedFrame as error:
            self.deaf = self.deafens
            return [Note(Oddity.MALFORMED_FRAME, error.rule)]
        self.pulse.heard()
        return self.step(SessionEvent.COMMAND, command)

    def accept(self, now: float, restored: tuple[str, ...] | None = None) -> list[Effect]:
        """Let the client in: the application authorised it, or it has its session of before back.

        Args:
            now: The time.
            restored: Identifiers that are subscribed at once, where it has.
        """
        return self.step(SessionEvent.ACCEPTED, (now, restored))

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


def _say(session: ServerSession, frame: ExtendedFrame) -> SendFrame:
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


def _welcome(session: ServerSession, fact: tuple[float, tuple[str, ...] | None]) -> list[Effect]:
    now, restored = fact
    for identifier in restored or ():
        session.subscriptions[identifier] = SubscriptionState.JOINED
    welcome = _say(session, Welcome(session.sid or None, restored is not None, restored or ()))
    session.pulse.start(now)
    return [welcome, *_wake(session)]


def _wake(session: ServerSession) -> list[Effect]:
    at = session.pulse.next
    return [] if at is None else [WakeAt(at)]


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
    # Whatever is done with a subscription: only one that is there, and one after the other.
    History: SubscriptionEvent.PERFORM,
    Whisper: SubscriptionEvent.PERFORM,
    Join: SubscriptionEvent.PERFORM,
    CommandLeave: SubscriptionEvent.PERFORM,
    AskPresence: SubscriptionEvent.PERFORM,
    Revoke: SubscriptionEvent.REVOKE,
}


def _take(session: ServerSession, command: HeldCommand) -> list[Effect]:
    match command:
        case Subscribe(""):
            return [_say(session, Reject(None))]
        case Probe():
            return [_say(session, Pong())]
        case UnknownCommand(name):
            return [Note(Oddity.UNKNOWN_COMMAND, name)]
        case UnreadableCommand(name, rule):
            return [Note(Oddity.UNREADABLE_COMMAND, f"{name}: {rule}")]
        case Beat():
            return []
    event = _EVENTS[type(command)]
    return session.step_subscription(command.identifier, event, None if isinstance(command, Revoke) else command)


def _run_held(session: ServerSession, _fact: object) -> list[Effect]:
    effects: list[Effect] = []
    while session.held and session.running is None:
        effects += _take(session, session.held.popleft())
    return effects


def _finish(session: ServerSession, verdict: Verdict) -> list[Effect]:
    command, session.running = session.running, None
    if command is None:
        return []
    if isinstance(command, Subscribe) and verdict is Verdict.CONFIRMED:
        # Before all that the client said later: a subscribe is carried out as a whole.
        session.held.extendleft(reversed(_asked_beside(command)))
    return session.step_subscription(command.identifier, verdict.value)


def _asked_beside(command: Subscribe) -> list[HeldCommand]:
    beside: list[HeldCommand] = []
    if command.history is not None:
        beside.append(History(command.identifier, command.history))
    if command.member is not None:
        beside.append(Join(command.identifier, command.member))
    return beside


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
    match session.pulse.due(now):
        case Due.SILENT:
            return session.expel(NO_PONG)
        case Due.PING:
            return [_say(session, Ping(session.pings.stamp(unix_ns))), *_wake(session)]
        case Due.NOTHING:
            return _wake(session)


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
