"""One subscription, as it is wished for and as the server has it.

Rule 1: what the user wants (handles on the wish) is kept apart from what the server was told and what it answered.
Rule 2: one command at a time for one identifier; wishes that cancel each out before it was sent send nothing.
Rule 3: servers answer neither a repeated subscribe nor an unsubscribe, so silence is met by time: one resend, then a
fresh line, once; then the wish fails for its waiters and is tried again on its own, slower beat.
Rule 4: what is confirmed but not wanted is unsubscribed; what is wanted but lost is asked for again.
Rule 5: an answer counts whenever it comes on the line it was asked on, also after the wait for it was given up.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway.hub.acks import Acks
from cableway.states import SubscriptionState
from cableway.transitions import Transition, to

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.errors import SubscriptionError
    from cableway.events import Event
    from cableway.hub.decoding import Decoder
    from cableway.hub.mailbox import Mailbox
    from cableway.hub.options import SubscriptionOptions
    from cableway.hub.recall.recall import Recall
    from cableway.types import Identifier, MaybeAwaitable
    from cableway.wire.message import Message
    from cableway.wire.positions import Position


class Stand(Enum):
    """How a wish stands with the server."""

    OFFLINE = "offline"
    QUEUED = "queued"
    NAMING = "naming"
    ASKED = "asked"
    ABANDONED = "abandoned"
    LIVE = "live"
    LEAVING = "leaving"
    COOLING = "cooling"
    RETURNING = "returning"
    REFUSED = "refused"
    GONE = "gone"


class Turn(Enum):
    """What can happen to a wish."""

    JOINED = "a handle joined"
    LEFT = "the last handle left"
    LINE_UP = "line up"
    LINE_DOWN = "line down"
    DUE = "its time has come"
    SILENT = "no answer, on a fresh line either"
    NAMED = "named"
    NAMELESS = "naming failed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    KEPT = "rejected, to be retried"


class Move(Enum):
    """What the hub does about it."""

    ENQUEUE = "enqueue"
    NAME = "ask for the name"
    ASK = "send subscribe"
    AGAIN = "resend, or ask for a fresh line"
    FAIL = "announce the time-out, ask again later"
    PAUSE = "wait before asking again"
    GO_LIVE = "announce confirmation"
    MEET = "announce to the joiner"
    GO_DOWN = "announce loss"
    REFUSE = "announce rejection"
    QUIET = "wait until it is safe to unsubscribe"
    RENOUNCE = "send unsubscribe"
    FORGET = "forget"


def _table() -> dict[tuple[Stand, Turn], Transition[Stand, Move]]:
    table = {
        (Stand.OFFLINE, Turn.JOINED): to(Stand.OFFLINE),
        (Stand.OFFLINE, Turn.LEFT): to(Stand.GONE, Move.FORGET),
        (Stand.OFFLINE, Turn.LINE_UP): to(Stand.QUEUED, Move.ENQUEUE),
        (Stand.OFFLINE, Turn.LINE_DOWN): to(Stand.OFFLINE),
        (Stand.QUEUED, Turn.JOINED): to(Stand.QUEUED),
        (Stand.QUEUED, Turn.LEFT): to(Stand.GONE, Move.FORGET),
        (Stand.QUEUED, Turn.LINE_DOWN): to(Stand.OFFLINE),
        (Stand.QUEUED, Turn.DUE): to(Stand.NAMING, Move.NAME),
        (Stand.NAMING, Turn.JOINED): to(Stand.NAMING),
        (Stand.NAMING, Turn.LEFT): to(Stand.GONE, Move.FORGET),
        (Stand.NAMING, Turn.LINE_DOWN): to(Stand.OFFLINE),
        (Stand.NAMING, Turn.NAMED): to(Stand.ASKED, Move.ASK),
        (Stand.NAMING, Turn.NAMELESS): to(Stand.QUEUED, Move.PAUSE),
        (Stand.ASKED, Turn.JOINED): to(Stand.ASKED),
        (Stand.ASKED, Turn.LEFT): to(Stand.ABANDONED),
        (Stand.ASKED, Turn.LINE_DOWN): to(Stand.OFFLINE),
        (Stand.ASKED, Turn.DUE): to(Stand.ASKED, Move.AGAIN),
        (Stand.ASKED, Turn.SILENT): to(Stand.QUEUED, Move.FAIL),
        (Stand.ABANDONED, Turn.JOINED): to(Stand.ASKED),
        (Stand.ABANDONED, Turn.LINE_DOWN): to(Stand.GONE, Move.FORGET),
        (Stand.ABANDONED, Turn.DUE): to(Stand.COOLING, Move.RENOUNCE),
        (Stand.ABANDONED, Turn.CONFIRMED): to(Stand.LEAVING, Move.QUIET),
        (Stand.LIVE, Turn.JOINED): to(Stand.LIVE, Move.MEET),
        (Stand.LIVE, Turn.LEFT): to(Stand.LEAVING, Move.QUIET),
        (Stand.LIVE, Turn.LINE_DOWN): to(Stand.OFFLINE, Move.GO_DOWN),
        (Stand.LIVE, Turn.CONFIRMED): to(Stand.LIVE),
        (Stand.LIVE, Turn.REJECTED): to(Stand.GONE, Move.REFUSE, Move.FORGET),
        (Stand.LIVE, Turn.KEPT): to(Stand.REFUSED, Move.REFUSE),
        (Stand.LEAVING, Turn.JOINED): to(Stand.LIVE, Move.MEET),
        (Stand.LEAVING, Turn.LINE_DOWN): to(Stand.GONE, Move.FORGET),
        (Stand.LEAVING, Turn.DUE): to(Stand.COOLING, Move.RENOUNCE),
        (Stand.LEAVING, Turn.CONFIRMED): to(Stand.LEAVING),
        (Stand.COOLING, Turn.JOINED): to(Stand.RETURNING),
        (Stand.COOLING, Turn.LINE_DOWN): to(Stand.GONE, Move.FORGET),
        (Stand.COOLING, Turn.DUE): to(Stand.GONE, Move.FORGET),
        # The server saw the two commands the other way round: it is subscribed after all.
        (Stand.COOLING, Turn.CONFIRMED): to(Stand.COOLING, Move.RENOUNCE),
        (Stand.RETURNING, Turn.JOINED): to(Stand.RETURNING),
        (Stand.RETURNING, Turn.LEFT): to(Stand.COOLING),
        (Stand.RETURNING, Turn.LINE_DOWN): to(Stand.OFFLINE),
        (Stand.RETURNING, Turn.DUE): to(Stand.QUEUED, Move.ENQUEUE),
        (Stand.RETURNING, Turn.CONFIRMED): to(Stand.RETURNING),
        (Stand.REFUSED, Turn.JOINED): to(Stand.QUEUED, Move.ENQUEUE),
        (Stand.REFUSED, Turn.LEFT): to(Stand.GONE, Move.FORGET),
        (Stand.REFUSED, Turn.LINE_DOWN): to(Stand.OFFLINE),
        (Stand.REFUSED, Turn.CONFIRMED): to(Stand.LIVE, Move.GO_LIVE),
    }
    # In the first two it is the answer to an earlier question, after the wait for it was given up.
    for waiting in (Stand.QUEUED, Stand.NAMING, Stand.ASKED):
        table[waiting, Turn.CONFIRMED] = to(Stand.LIVE, Move.GO_LIVE)
        table[waiting, Turn.REJECTED] = to(Stand.GONE, Move.REFUSE, Move.FORGET)
        table[waiting, Turn.KEPT] = to(Stand.REFUSED, Move.REFUSE)
    for unwanted in (Stand.ABANDONED, Stand.LEAVING, Stand.COOLING):
        table[unwanted, Turn.REJECTED] = to(Stand.GONE, Move.FORGET)
    for again in (Stand.RETURNING, Stand.REFUSED):
        table[again, Turn.REJECTED] = table[again, Turn.KEPT] = to(again)
    return table


TABLE = _table()


@define(eq=False)
class Handle:
    """One holder of a wish: what a ``Subscription`` object is to the hub."""

    options: SubscriptionOptions
    tell: Callable[[Event | None], None]
    """Hears of each change of state, with the event that goes with it where there is one."""
    mailbox: Mailbox = field(init=False)
    wish: Wish = field(init=False)
    state: SubscriptionState = SubscriptionState.PENDING
    error: SubscriptionError | None = None
    """Why awaiting it raises, while it does."""
    ever_confirmed: bool = False
    due: float | None = None
    """When to look whether its messages are still fresh."""
    fresh_from: float = 0.0
    """When it was made: before the first message, its age counts from then."""
    acks: Acks = field(factory=Acks)
    """What was handed out of it, and acknowledged."""
    done: dict[str, Position] = field(factory=dict)
    """What it has acknowledged last of each stream."""
    holder: Any = None
    """The object that users hold."""
    stale_at: float | None = None
    """Since when it has been known to be stale; ``None`` while it is fresh."""

    @property
    def refused_for_good(self) -> bool:
        """Whether the server refused it and it is not to be asked for again."""
        return self.state is SubscriptionState.REJECTED and not self.options.retry_rejected


@define(eq=False)
class Wish:
    """One subscription that the user wants, or that the server still has to be told of."""

    label: str
    """What to call it in texts: the identifier, or where the name comes from."""
    identifier: Identifier | None
    name_source: Callable[[], MaybeAwaitable[Identifier]] | None = None
    """Gives the identifier anew before each subscribe."""
    stand: Stand = Stand.OFFLINE
    handles: list[Handle] = field(factory=list)
    decoder: Decoder = field(init=False)
    due: float | None = None
    """When ``Turn.DUE`` happens."""
    asked: int = 0
    """Subscribe commands sent on this line without an answer."""
    recycled: bool = False
    """Whether the line was dropped once for this identifier's silence."""
    silences: int = 0
    """Times in a row that its waiters were told of a time-out."""
    pauses: int = 0
    """Times in a row that it had to wait before being asked for again."""
    farewells: int = 0
    """Unsubscribe commands sent since it was last asked for."""
    last_command: float = float("-inf")
    """When a command for its channel was last written."""
    naming: int = 0
    """Counts the questions for its name: only the answer to the last one is of use."""
    early_size: int = 0
    """Bytes of :attr:`early`."""
    early: list[tuple[Message[Any], int]] = field(factory=list)
    """Messages that came before the confirmation."""
    partings: list[Callable[[], None]] = field(factory=list)
    """Called once when the server has been told that the wish is gone, or need not be."""
    head: bytes | None = None
    """The bytes that its frames begin with, once learned."""
    recall: Recall = field(init=False)
    """Where it is in its streams, and what it missed."""
    heard: float | None = None
    """When a message of it last came."""
    stale: int = 0
    """Holders that were told that nothing has come for too long."""

    @property
    def priority(self) -> int:
        """The most urgent of its holders decides."""
        return max((handle.options.priority for handle in self.handles), default=0)

    @property
    def confirm_timeout(self) -> float:
        """The most patient of its holders decides."""
        return max((handle.options.confirm_timeout for handle in self.handles), default=5.0)
