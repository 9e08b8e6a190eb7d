"""The server's half of a session as data: states, events, and what each pair leads to.

Rule 1. The application runs a client's commands in the order in which they came: one at a time, the others held.
        What a subscribe asks for beside the subscription belongs to it: past and presence come before the next command.
Rule 2. Nothing is asked of the application, and no ping is sent, before it accepted the session.
Rule 3. What came before the client left is still run. Once *we* end the session, what is held is dropped.
Rule 4. A repeated subscribe is answered with silence. An unsubscribe is never answered.
Rule 5. A rejected subscription, or one whose start failed, leaves nothing behind.
Rule 6. What cannot be read or is not known is counted and skipped; the session lives on.
Rule 7. The way into ``CLOSED`` has all subscriptions ended, once.

:data:`TABLE` is the session, :data:`SUBSCRIPTION_TABLE` is one identifier within it. A pair that is in neither cannot
happen: looking it up raises :class:`~cableway.transitions.UnexpectedEvent`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from cableway.transitions import Transition, to

if TYPE_CHECKING:
    from collections.abc import Mapping


class SessionState(Enum):
    """Where a session is."""

    CONNECTING = "connecting"
    """The application is asked whether to let the client in; commands are held."""
    READY = "ready"
    BUSY = "busy"
    """The application runs a command; others are held."""
    DRAINING = "draining"
    """The client is gone; what it sent before is still run."""
    CLOSING = "closing"
    """We said goodbye; the application still runs one command."""
    CLOSED = "closed"


class SessionEvent(Enum):
    """What may happen to a session."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"
    """The application broke while it was asked whether to let the client in."""
    COMMAND = "command"
    ASKED = "asked"
    """A command was handed to the application."""
    SETTLED = "settled"
    """The application is through with its command."""
    DRAINED = "drained"
    """The client is gone and nothing that it sent is left to run."""
    DELIVER = "deliver"
    PING_DUE = "ping_due"
    EXPELLED = "expelled"
    """We end the session: shutdown, remote disconnect, a reader too slow."""
    LOST = "lost"


class SubscriptionState(Enum):
    """Where one identifier is within a session."""

    ABSENT = "absent"
    JOINING = "joining"
    JOINED = "joined"
    LEAVING = "leaving"


class SubscriptionEvent(Enum):
    """What may happen to one identifier."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    PERFORM = "perform"
    REVOKE = "revoke"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    DONE = "done"
    FAILED = "failed"
    DELIVER = "deliver"


class Action(Enum):
    """What a transition of the session has done."""

    WELCOME = "welcome the client, start the pings"
    CLOSE_BARE = "close with 1011, without a disconnect"
    HOLD = "hold the command"
    TAKE = "take the command"
    RUN_HELD = "take what is held, until the application is asked"
    FINISH = "settle the running command"
    FINISH_UNHEARD = "settle the running command, tell nobody"
    DRAIN = "take what is held, then be done"
    DELIVER = "deliver to the subscription"
    PING = "ping"
    DISMISS = "say disconnect, close"
    DROP_HELD = "drop what is held"
    LEAVE = "have all subscriptions ended"


class SubscriptionAction(Enum):
    """What a transition of one identifier has done."""

    ASK = "ask the application"
    CONFIRM = "confirm"
    REJECT = "reject"
    TAKE_BACK = "ask the application to end it"
    SEND = "send"
    NOTE_DUPLICATE = "count a duplicate"
    NOTE_UNKNOWN = "count an unknown identifier"


def _session_table() -> dict[tuple[SessionState, SessionEvent], Transition[SessionState, Action]]:
    state, event, act = SessionState, SessionEvent, Action
    return {
        (state.CONNECTING, event.ACCEPTED): to(state.READY, act.WELCOME, act.RUN_HELD),
        (state.CONNECTING, event.REFUSED): to(state.CLOSED, act.DISMISS, act.LEAVE),
        (state.CONNECTING, event.FAILED): to(state.CLOSED, act.CLOSE_BARE, act.LEAVE),
        (state.CONNECTING, event.COMMAND): to(state.CONNECTING, act.HOLD),
        (state.CONNECTING, event.EXPELLED): to(state.CLOSED, act.DISMISS, act.LEAVE),
        (state.CONNECTING, event.LOST): to(state.CLOSED, act.LEAVE),
        (state.READY, event.COMMAND): to(state.READY, act.TAKE),
        (state.READY, event.ASKED): to(state.BUSY),
        (state.READY, event.DELIVER): to(state.READY, act.DELIVER),
        (state.READY, event.PING_DUE): to(state.READY, act.PING),
        (state.READY, event.EXPELLED): to(state.CLOSED, act.DISMISS, act.LEAVE),
        (state.READY, event.LOST): to(state.CLOSED, act.LEAVE),
        (state.BUSY, event.COMMAND): to(state.BUSY, act.HOLD),
        (state.BUSY, event.SETTLED): to(state.READY, act.FINISH, act.RUN_HELD),
        (state.BUSY, event.DELIVER): to(state.BUSY, act.DELIVER),
        (state.BUSY, event.PING_DUE): to(state.BUSY, act.PING),
        (state.BUSY, event.EXPELLED): to(state.CLOSING, act.DISMISS),
        (state.BUSY, event.LOST): to(state.DRAINING),
        (state.DRAINING, event.ASKED): to(state.DRAINING),
        (state.DRAINING, event.SETTLED): to(state.DRAINING, act.FINISH_UNHEARD, act.DRAIN),
        (state.DRAINING, event.DRAINED): to(state.CLOSED, act.LEAVE),
        (state.DRAINING, event.EXPELLED): to(state.CLOSING, act.DROP_HELD),
        (state.DRAINING, event.COMMAND): to(state.DRAINING),
        (state.DRAINING, event.DELIVER): to(state.DRAINING),
        (state.DRAINING, event.PING_DUE): to(state.DRAINING),
        (state.DRAINING, event.LOST): to(state.DRAINING),
        (state.CLOSING, event.SETTLED): to(state.CLOSED, act.FINISH_UNHEARD, act.LEAVE),
        (state.CLOSING, event.COMMAND): to(state.CLOSING),
        (state.CLOSING, event.DELIVER): to(state.CLOSING),
        (state.CLOSING, event.PING_DUE): to(state.CLOSING),
        (state.CLOSING, event.EXPELLED): to(state.CLOSING),
        (state.CLOSING, event.LOST): to(state.CLOSING),
        **{(state.CLOSED, late): to(state.CLOSED) for late in _AFTER_THE_END},
    }


_AFTER_THE_END = (
    SessionEvent.ACCEPTED,
    SessionEvent.REFUSED,
    SessionEvent.FAILED,
    SessionEvent.COMMAND,
    SessionEvent.DELIVER,
    SessionEvent.PING_DUE,
    SessionEvent.EXPELLED,
    SessionEvent.LOST,
)

TABLE: Mapping[tuple[SessionState, SessionEvent], Transition[SessionState, Action]] = _session_table()


def _subscription_table() -> dict[
    tuple[SubscriptionState, SubscriptionEvent], Transition[SubscriptionState, SubscriptionAction]
]:
    state, event, act = SubscriptionState, SubscriptionEvent, SubscriptionAction
    return {
        (state.ABSENT, event.SUBSCRIBE): to(state.JOINING, act.ASK),
        (state.ABSENT, event.UNSUBSCRIBE): to(state.ABSENT, act.NOTE_UNKNOWN),
        (state.ABSENT, event.PERFORM): to(state.ABSENT, act.NOTE_UNKNOWN),
        (state.ABSENT, event.REVOKE): to(state.ABSENT),
        (state.ABSENT, event.DELIVER): to(state.ABSENT),
        (state.JOINING, event.CONFIRMED): to(state.JOINED, act.CONFIRM),
        (state.JOINING, event.REJECTED): to(state.ABSENT, act.REJECT),
        # As AnyCable when its application breaks: no answer. The client asks again, and may be luckier.
        (state.JOINING, event.FAILED): to(state.ABSENT),
        (state.JOINING, event.DELIVER): to(state.JOINING, act.SEND),
        (state.JOINED, event.SUBSCRIBE): to(state.JOINED, act.NOTE_DUPLICATE),
        (state.JOINED, event.UNSUBSCRIBE): to(state.LEAVING, act.ASK),
        (state.JOINED, event.PERFORM): to(state.JOINED, act.ASK),
        (state.JOINED, event.REVOKE): to(state.LEAVING, act.REJECT, act.TAKE_BACK),
        (state.JOINED, event.DONE): to(state.JOINED),
        (state.JOINED, event.FAILED): to(state.JOINED),
        (state.JOINED, event.DELIVER): to(state.JOINED, act.SEND),
        (state.LEAVING, event.DONE): to(state.ABSENT),
        (state.LEAVING, event.FAILED): to(state.ABSENT),
        (state.LEAVING, event.DELIVER): to(state.LEAVING),
    }


SUBSCRIPTION_TABLE: Mapping[
    tuple[SubscriptionState, SubscriptionEvent], Transition[SubscriptionState, SubscriptionAction]
] = _subscription_table()
