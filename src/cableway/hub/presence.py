"""Who is present in one subscription: whom we are present as, and who else is there, as far as it is known.

Rule 1: whom we want to be present as is kept apart from what was said on this line; each line is told anew.
Rule 2: one question at a time. Servers may stay silent: it is asked once more, then it has failed, and is asked again
on a slower beat as long as somebody watches.
Rule 3: the answer and the news of changes come by different ways: what changed while a question was out is applied
again on top of its answer.
Rule 4: a session has one id: another one is a leave, then a join; servers ignore it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.events import PresenceJoined, PresenceLeft, PresenceSynced, PresenceUnavailable
from cableway.policies.backoff import ExponentialBackoff
from cableway.wire.commands import AskPresence, Join, Leave

if TYPE_CHECKING:
    from random import Random
    from typing import TypeAlias

    from cableway.events import Event
    from cableway.wire.dialects.base import BaseDialect
    from cableway.wire.frames import PresenceChange, PresenceInfo
    from cableway.wire.positions import Member

    PresenceCommand: TypeAlias = Join | Leave | AskPresence

ANSWER_WAIT = 5.0
"""Seconds that an answer is waited for; a second time, as long once more."""

LAPSES = (
    "presence needs AnyCable's extended protocol: on the base protocol it lapses silently after presence_ttl (15 s), "
    "and Rails has none"
)

WORDLESS = (
    "the schema of Protobuf has no words for presence: speak the extended protocol in another encoding, such as "
    "protocol='actioncable-v1-ext-msgpack'"
)

DEAF = "event streams carry nothing to the server, presence neither"

SILENT = (
    "the server does not answer who is present: AnyCable is silent where the channel does not allow presence, and "
    "needs a broker for it"
)

FAILED = "the server could not tell who is present: its broker failed, or it has none"


def lacking(dialect: BaseDialect) -> str:
    """Tell why a line that speaks *dialect* keeps no presence; empty where it does."""
    if dialect.presence:
        return ""
    return WORDLESS if dialect.extended else LAPSES


class PresenceBook:
    """Keeps what is known of one subscription's presence. Each method leaves commands and events for :meth:`take`."""

    def __init__(self, identifier: str, random: Random) -> None:
        self.identifier: str = identifier
        self.members: dict[str, Member] = {}
        """The last known set."""
        self.synced: bool = False
        """Whether :attr:`members` is what the server has."""
        self.total: int = 0
        """How many the last answer counted."""
        self.answered: int = 0
        """Number of the last question that was answered."""
        self.failed: int = 0
        """Number of the last question that was given up, or that the server could not answer."""
        self.silent: bool = False
        """Whether the last failure was silence."""
        self.watched: bool = False
        """Whether somebody wants the set kept true."""
        self.deadline: float | None = None
        """When :meth:`tick` next has something to do."""
        self.slack: float = 0.0
        """Seconds that a question may have to wait on the line before it goes."""
        self._random = random
        self._patience = ExponentialBackoff(minimum=5, maximum=60)
        self._wish: Member | None = None
        self._said: Member | None = None
        self._live = False
        self._lacks = ""
        self._asked = 0
        self._wanted = 0
        self._out = False
        self._again = False
        self._failures = 0
        # Commands on this line that no answer has come to: one given up may be answered still.
        self._unanswered = 0
        # Of each id that changed since the first unanswered question: whether it left, and who came last.
        self._changes: dict[str, tuple[bool, Member | None]] = {}
        self._ever = False
        self._told = False
        self._commands: list[PresenceCommand] = []
        self._events: list[Event] = []

    @property
    def entry(self) -> Member | None:
        """Whom to be present as: may ride on a subscribe command, see :meth:`confirmed`."""
        return self._wish

    def take(self) -> tuple[list[PresenceCommand], list[Event]]:
        """Take what is to be sent and to be told, each in its order."""
        out = self._commands, self._events
        self._commands, self._events = [], []
        return out

    # What the user does

    def join(self, member: Member) -> None:
        """Be present as *member*; it takes the place of whoever it was before."""
        self._wish = member
        self._speak()

    def leave(self) -> None:
        """Be present no more."""
        self._wish = None
        self._speak()

    def watch(self, now: float) -> None:
        """Keep the set true from now on."""
        self.watched = True
        if not self.synced:
            self._need(now)

    def ask(self, now: float) -> int:
        """Ask who is there; return the number that :attr:`answered` or :attr:`failed` reaches.

        A question that is out already does not count: its answer may be older than this call.
        """
        self._wanted = self._asked + 1
        self._need(now)
        return self._wanted

    # What the line does

    def confirmed(self, now: float, *, lacks: str = "", entered: Member | None = None) -> None:
        """The subscription is live.

        Args:
            now: The time.
            lacks: Why the line's protocol keeps no presence; empty where it does.
            entered: Who was in the subscribe command that was confirmed.
        """
        if self._live:
            return
        self._live, self._lacks, self._said, self._told = True, lacks, entered, False
        self._failures = 0
        self._speak()
        if self.watched or self._wanted > max(self.answered, self.failed):
            self._need(now)

    def line_down(self) -> None:
        """The subscription is live no more; the last known set stays, and is no longer taken for true."""
        self._live = self.synced = self._out = self._again = False
        self._lacks = ""
        self._said = self.deadline = None
        self._unanswered = 0
        self._changes.clear()

    def gap(self, now: float) -> None:
        """Something may have been missed: ask anew."""
        self.synced = False
        self._changes.clear()
        if self._out:
            # Its answer may be of before.
            self._wanted = max(self._wanted, self._asked + 1)
        elif self.watched:
            self._need(now)

    def change(self, frame: PresenceChange) -> None:
        """Somebody came or went."""
        member, came = frame.member, frame.kind == "join"
        if self._unanswered:
            left, _ = self._changes.get(member.id, (False, None))
            self._changes[member.id] = (left or not came, member if came else None)
        known = self.members.pop(member.id, None)
        if came:
            self.members[member.id] = member
            if known is None:
                self._events.append(PresenceJoined(member))
        elif known is not None or not self._ever:
            self._events.append(PresenceLeft(known or member))

    def info(self, frame: PresenceInfo, now: float) -> None:
        """The server answered, or said that it cannot."""
        if not self._live:
            return
        self._unanswered = max(0, self._unanswered - 1)
        if frame.failed:
            self._fail(now, FAILED, silent=False)
            return
        # An answer that was no longer awaited is as true as any: it is the second one to a question asked twice.
        self._out = self._again = False
        self.deadline = None
        self._failures = 0
        self._told = False
        self.answered = self._asked
        self.total = frame.total
        behind = self._wanted > self._asked
        if frame.members or not frame.total:
            # After a gap that came while the question was out, its answer is of use, but not the last word.
            self._adopt(frame, synced=not behind or self.synced)
        if behind:
            self._need(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.deadline is None or now < self.deadline:
            return
        self.deadline = None
        if not self._out:
            self._need(now)
        elif self._again:
            self._fail(now, SILENT, silent=True)
        else:
            self._again = True
            self._put(now)

    # Inside

    def _speak(self) -> None:
        if not self._live:
            return
        if self._lacks:
            if self._wish is not None:
                self._tell(self._lacks)
            return
        wish, said = self._wish, self._said
        if said is not None and (wish is None or wish.id != said.id):
            self._commands.append(Leave(self.identifier))
        if wish is not None and wish != said:
            self._commands.append(Join(self.identifier, wish))
        self._said = wish

    def _need(self, now: float) -> None:
        if not self._live or self._out:
            return
        if self._lacks:
            self._tell(self._lacks)
            return
        self._asked += 1
        self._out, self._again = True, False
        self._put(now)

    def _put(self, now: float) -> None:
        if not self._unanswered:
            self._changes.clear()
        self._unanswered += 1
        self._commands.append(AskPresence(self.identifier))
        self.deadline = now + ANSWER_WAIT + self.slack

    def _fail(self, now: float, reason: str, *, silent: bool) -> None:
        self._out = self._again = False
        self.failed, self.silent = self._asked, silent
        self.deadline = None
        self._tell(reason)
        if self._wanted > self._asked:
            self._need(now)
        elif self.watched:
            self.deadline = now + self._patience.delay(self._failures, self._random)
            self._failures += 1

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._events.append(PresenceUnavailable(reason))

    def _adopt(self, frame: PresenceInfo, *, synced: bool) -> None:
        there = {member.id: member for member in frame.members}
        for who, (left, came) in self._changes.items():
            if left:
                there.pop(who, None)
            if came is not None:
                # Who is in the answer may have brought their info up to date, which nobody is told.
                there.setdefault(who, came)
        if not self._unanswered:
            self._changes.clear()
        known, was, self.members = self.members, self.synced, there
        self._ever = True
        self._events += [PresenceLeft(member) for who, member in known.items() if who not in there]
        self._events += [PresenceJoined(member) for who, member in there.items() if who not in known]
        self.synced = synced
        if synced and not was:
            self._events.append(PresenceSynced(tuple(there.values())))
