"""What a handle must have seen, from what the server took, and whether that is what it saw.

Nothing is seen twice; each stream is seen in the order of its publications; and for each message that is missing
something was announced that covers it: a recovery that is not known to be complete, a gap that was not healed, or an
overflow of the handle's own mailbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.recovery.server import Publication

SLACK = 0.5
"""Seconds between an announcement and a callback, or an iteration, that hears of it."""
EARLY = 8.0
"""Seconds by which a message may be older than the confirmation: whole seconds, and a clock read off the last ping."""


@frozen
class Seen:
    """A message that a consumer read."""

    key: tuple[str, int]
    at: float
    offset: int | None = None
    replayed: bool = False


@frozen
class Unknown:
    """What came before may be incomplete: a recovery that failed."""

    at: float
    since: float | None = None
    """When the recovery began of which this is the outcome; ``None``: it is the outcome of nothing."""

    def precedes(self, follower: float) -> bool:
        """Whether nobody who saw the next message at *follower* could have thought that all is well."""
        return self.at <= follower + SLACK or (self.since is not None and self.since <= follower)


@frozen
class Hole:
    """Some messages of a stream are missing and will not come."""

    at: float
    stream: str
    epoch: str
    first: int
    last: int

    def covers(self, publication: Publication) -> bool:
        """Whether it speaks of *publication*."""
        offset = publication.offset
        return (
            (self.stream, self.epoch) == (publication.stream, publication.epoch)
            and offset is not None
            and self.first <= offset <= self.last
        )


@define
class Account:
    """What one handle was to see, what it saw, and what it was told."""

    name: str
    streams: tuple[str, ...]
    begins: float | None = None
    """When it was first confirmed; ``None``: never."""
    renewed: dict[str, float] = field(factory=dict)
    """When, after its process died, streams were confirmed of which it could remember nothing."""
    ends: float | None = None
    """When it was given up; ``None``: never."""
    seen: list[Seen] = field(factory=list)
    looked_back: bool = False
    """Whether it asked for the past: with a wrong clock some of that is delivered."""
    listed: set[tuple[str, int]] = field(factory=set)
    """What it was shown of the past: of a stream that had brought nothing before, that is not delivered as well."""
    unknown: list[Unknown] = field(factory=list)
    holes: list[Hole] = field(factory=list)
    dropped: int = 0
    """Messages that its mailbox lost, as it counted them."""
    told_of_drops: bool = False
    resumes: bool = False
    """Whether something older may come first: it was subscribed before, or shares its subscription."""
    repeats: int = 0
    """Messages that may come twice: one for each time the process died before it acknowledged."""
    reborn: set[int] = field(factory=set)
    """Before which of the seen its process died and began again from what it had acknowledged."""
    faults: list[str] = field(factory=list)
    """What its user noticed at once."""
    own: frozenset[str] = frozenset()
    """Sessions of this client: what was kept from them need not, but may, come."""

    @property
    def may_look_back(self) -> bool:
        """Whether it may see what is older than its confirmation."""
        return self.resumes or self.looked_back


@frozen
class Rules:
    """What holds in one schedule."""

    ordered: bool = True
    """Whether messages without a position come in order as well."""
    lossless: bool = False
    """Whether the server could give back everything: then nothing but an overflow may be missing."""
    calm: bool = False
    """Whether nothing broke: then nothing at all may be missing, and nothing may be announced."""
    settled: bool = True
    """Whether all was well in the end; where a reader has the line dropped, it may be down again."""
    placed: bool = True
    """Whether messages have positions; without them every confirmation may be one of which nothing is known."""
    late: bool = False
    """Whether what a gap told of may still come: it is announced, and not healed."""


@frozen
class Verdict:
    """What was found."""

    faults: list[str]
    seen: int
    missing: int
    announced: int


def judge(account: Account, published: Iterable[Publication], rules: Rules) -> Verdict:
    """Compare what was seen with what was published."""
    of_streams = {one.key: one for one in published if one.stream in account.streams}
    faults = [
        *account.faults,
        *_strangers(account, of_streams),
        *_doubled(account),
        *_disorder(account, of_streams, rules),
    ]
    missing = _missing(account, of_streams.values(), rules)
    uncovered = [one for one in missing if not _covered(account, one)]
    lost = max(0, len(uncovered) - account.dropped)
    if lost:
        told = ", ".join(_describe(one) for one in uncovered[:5])
        faults.append(f"{lost} missing without a word, such as {told}")
    if uncovered and not lost and not account.told_of_drops:
        faults.append(f"{len(uncovered)} were dropped by a mailbox that never said so")
    if rules.lossless or rules.calm:
        avoidable = max(0, len(_recoverable(account, missing)) - account.dropped)
        if avoidable > lost:
            faults.append(f"{avoidable} announced as missing, though the server could give them back")
    needless = [one for one in account.unknown if rules.placed or one.at > (account.begins or 0.0) + SLACK]
    if rules.calm and (needless or account.holes):
        faults.append(f"announced for no reason: {needless[:2]} {account.holes[:2]}")
    return Verdict(
        [f"{account.name}: {fault}" for fault in faults],
        len(account.seen),
        len(missing),
        len(account.unknown) + len(account.holes),
    )


def _strangers(account: Account, published: dict[tuple[str, int], Publication]) -> list[str]:
    out = []
    for one in account.seen:
        publication = published.get(one.key)
        if publication is None:
            out.append(f"{one.key} was never published to it")
        elif account.begins is None and not account.resumes:
            out.append(f"{one.key} came without a confirmation")
        elif account.begins is not None and publication.at < account.begins - EARLY and not account.may_look_back:
            out.append(f"{one.key} of {publication.at:.2f} is from long before it was subscribed, {account.begins:.2f}")
        elif account.ends is not None and publication.at > account.ends:
            out.append(f"{one.key} was published after it was given up")
    return out[:5]


def _doubled(account: Account) -> list[str]:
    counts: dict[tuple[str, int], int] = {}
    for one in account.seen:
        counts[one.key] = counts.get(one.key, 0) + 1
    twice = [key for key, count in counts.items() if count > 1]
    return [f"{len(twice)} came twice, such as {twice[:5]}"] if len(twice) > account.repeats else []


def _disorder(account: Account, published: dict[tuple[str, int], Publication], rules: Rules) -> list[str]:
    last: dict[tuple[str, bool], int] = {}
    before: set[tuple[str, int]] = set()
    out = []
    for index, one in enumerate(account.seen):
        if index in account.reborn:
            last.clear()
        publication = published.get(one.key)
        if publication is None or one.key in before:
            continue
        before.add(one.key)
        placed = publication.offset is not None
        if not placed and (not rules.ordered or publication.excluded in account.own):
            # While one line takes over from another, what was kept from the one comes by the other.
            continue
        # What has no place cannot be ordered against what has one.
        lane = (one.key[0], placed)
        number = one.key[1]
        if number < last.get(lane, 0) and not (rules.late and any(hole.covers(publication) for hole in account.holes)):
            out.append(f"{one.key} at {one.at:.2f} after {last[lane]}")
        last[lane] = max(number, last.get(lane, 0))
    return [f"{len(out)} out of order: {', '.join(out[:5])}"] if out else []


def _missing(account: Account, published: Iterable[Publication], rules: Rules) -> list[Publication]:
    if account.begins is None:
        return []
    seen = {one.key for one in account.seen} | account.listed
    ends = float("inf") if account.ends is None else account.ends
    # Those without a place come as they do, and overtake the others while something is asked for.
    last: dict[tuple[str, bool], int] = {}
    for message in account.seen:
        lane = (message.key[0], message.offset is not None)
        last[lane] = max(message.key[1], last.get(lane, 0))
    return [
        one
        for one in published
        if max(account.begins, account.renewed.get(one.stream, 0.0)) <= one.at
        # Whoever leaves hears no more of what was still on its way, or lost with a line that was down.
        and one.at < ends - (2.0 if account.ends is not None else 0.0)
        and (
            (account.ends is None and rules.settled)
            or rules.calm
            or one.number < last.get((one.stream, one.offset is not None), 0)
        )
        and one.key not in seen
        and one.excluded not in account.own
        # A server that forgets what it sends cannot be asked, and no client can know.
        and (rules.calm or not one.transient)
    ]


def _covered(account: Account, publication: Publication) -> bool:
    if any(hole.covers(publication) and hole.at >= publication.at for hole in account.holes):
        return True
    follower = _follower(account, publication)
    return any(publication.at <= one.at and one.precedes(follower) for one in account.unknown)


def _follower(account: Account, publication: Publication) -> float:
    """Return when the consumer saw the next message of that stream."""
    placed = publication.offset is not None
    for one in account.seen:
        if one.key[0] == publication.stream and one.key[1] > publication.number and (one.offset is not None) is placed:
            return one.at
    return float("inf")


def _recoverable(account: Account, missing: list[Publication]) -> list[Publication]:
    """Return those of *missing* that came after a message whose place the client knew."""
    first: dict[str, int] = {}
    for one in account.seen:
        if one.offset is not None:
            first.setdefault(one.key[0], one.key[1])
    return [one for one in missing if one.number > first.get(one.stream, one.number)]


def _describe(publication: Publication) -> str:
    place = f" ({publication.epoch}@{publication.offset})" if publication.epoch is not None else ""
    return f"{publication.stream} {publication.number}{place} of {publication.at:.2f}"
