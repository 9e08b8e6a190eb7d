"""What is promised of all recoveries, against a model of a server, whatever happens in whatever order."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from cableway.events import Event, Gap, Recovered
from cableway.hub.effects import Recycle, Send
from cableway.hub.recall.healing import EVERY
from cableway.hub.recall.limits import ANSWER
from cableway.states import Recovery
from cableway.wire.commands import History, Subscribe
from cableway.wire.frames import Confirm, ConfirmHistory, Data, RejectHistory
from tests.hub.desk import identifier
from tests.hub.recall.archive import ONE_STREAM, SERVER, Archive
from tests.simulation.recovery.broker import Broker

if TYPE_CHECKING:
    from cableway.hub.wish import Handle
    from cableway.wire.positions import HistoryQuery


@define
class Published:
    """A message of the server's."""

    stream: str
    epoch: str
    offset: int
    at: float


class Played:
    """A subscription, and a server that publishes, forgets, falls silent, breaks off and comes back.

    With *kind* the server forgets nothing, is never started anew, and always answers.
    """

    def __init__(self, seed: int, *, name: str, kind: bool) -> None:
        self.random = Random(seed)
        self.name = name
        self.kind = kind
        self.streams = "s" if name == ONE_STREAM else "stu"
        self.archive = Archive()
        self.archive.beat()
        self.handle: Handle = self.archive.join(name)
        self.published: list[Published] = []
        self.delivered: list[int] = []
        """Which of the publications."""
        self.events: list[tuple[float, Event]] = []
        self._start()
        self._wire: list[Data | ConfirmHistory | RejectHistory | Confirm] = []
        self._late: list[Data] = []
        self._mute = False
        self._serve()
        self.handle.tell = self._hear
        self._flow()

    # The program

    def _hear(self, event: Event | None) -> None:
        self.read()
        if event is not None:
            self.events.append((self.archive.now, event))

    def read(self) -> None:
        """Read the mailbox to its end."""
        for _ in range(len(self.handle.mailbox)):
            self.delivered.append(self.handle.mailbox.pop().data)

    # The server

    def _start(self) -> None:
        limit, life = (10_000, 10_000) if self.kind else (self.random.choice((2, 5, 50)), 30)
        self._broker = Broker(f"{self.random.getrandbits(24):x}", limit, life)

    @property
    def _second(self) -> int:
        return SERVER + int(self.archive.now)

    def _data(self, number: int) -> Data:
        one = self.published[number]
        return Data(identifier(self.name), number, one.stream, one.epoch, one.offset)

    def publish(self) -> None:
        """Store some messages, which are sent soon, perhaps in another order."""
        for _ in range(self.random.choice((1, 1, 1, 3))):
            stream = self.random.choice(self.streams)
            number = len(self.published)
            offset = self._broker.add(stream, number, self._second)
            self.published.append(Published(stream, self._broker.epoch, offset, self.archive.now))
            self._late.append(self._data(number))
        if self.random.random() < 0.2:
            self.random.shuffle(self._late)
            self._fan_out()
            self._flow()
        elif self.random.random() < 0.7:
            self._fan_out()

    def _fan_out(self) -> None:
        self._wire += self._late
        self._late.clear()

    def _serve(self) -> None:
        for effect in self.archive.effects():
            if isinstance(effect, Recycle):
                self.fall()
            if not isinstance(effect, Send):
                continue
            command, query = effect.command, None
            if isinstance(command, Subscribe):
                self._wire.append(Confirm(command.identifier))
                query = command.history
            elif isinstance(command, History):
                query = command.query
            if query is not None and not self._mute:
                self._tell(query)

    def _tell(self, query: HistoryQuery) -> None:
        found: list[Data] = []
        for stream in self.streams:
            at = query.streams.get(stream)
            if at is not None:
                stored = self._broker.after(stream, at.epoch, at.offset)
            else:
                stored = self._broker.since(stream, query.since) if query.since is not None else []
            if stored is None:
                self._wire.append(RejectHistory(identifier(self.name)))
                return
            found += [self._data(one.number) for one in stored]
        self._wire += [*found, ConfirmHistory(identifier(self.name))]

    def _flow(self, most: int = 10_000) -> None:
        """Let the client read so many frames, and answer what it asks meanwhile."""
        while self._wire and most:
            most -= 1
            frame = self._wire.pop(0)
            if isinstance(frame, Data):
                raw = json.dumps({"identifier": frame.identifier, "message": frame.message})
                self.archive.hub.router.deliver(frame, raw.encode(), 0.0, self.archive.now)
                self.read()
            else:
                self.archive.hub.hear(frame, self.archive.now)
            self._serve()

    # What happens

    def fall(self) -> None:
        """Break the line, with all that is on it; the next one comes up after a while."""
        self._wire.clear()
        self._late.clear()
        self.archive.line_down()
        for _ in range(self.random.randrange(4)):
            self.archive.wait(self.random.choice((0.0, 0.5, 4.0)))
            self.publish()
        self._wire.clear()
        self._late.clear()
        same = self.kind or self.random.random() >= 0.3
        if not same:
            self._start()
        self._mute = not self.kind and self.random.random() < 0.1
        restored = [identifier(self.name)] if self.kind or (same and self.random.random() < 0.6) else None
        self.archive.hub.line_up("memory", self.archive.now, protocol="", restored=restored)
        self._serve()

    def beat(self) -> None:
        """Tell the time, after all that was sent before."""
        self._flow()
        self.archive.beat()

    def wait(self) -> None:
        """Let time pass; no message takes a second on its way."""
        seconds = self.random.choice((0.02, 0.3, 2.0))
        if seconds > 1:
            self._fan_out()
            self._flow()
        self.archive.wait(seconds)
        self._broker.expire(self._second)
        self._serve()

    def play(self, turns: int) -> None:
        """Let things happen; in the end the line stays up, and all is said."""
        for _ in range(turns):
            self.random.choices(
                (self.publish, self.wait, self._fan_out, self.beat, self.fall, lambda: self._flow(2), self._flow),
                (6, 4, 3, 2, 1, 4, 3),
            )[0]()
            self._serve()
        self._mute = False
        self.fall()
        self._mute = False
        for _ in range(int(2 * ANSWER / EVERY)):
            self._fan_out()
            self._flow()
            self.archive.wait(EVERY)
            self.archive.beat()
            self._serve()
        self.read()

    # What came of it

    def told(self, kind: type[Event]) -> list[Event]:
        """Return the events of *kind*."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def _run(self, number: int) -> tuple[str, str]:
        return self.published[number].stream, self.published[number].epoch

    @property
    def in_order(self) -> bool:
        """Whether the messages of each stream came once, and as they were published."""
        by_stream: dict[str, list[int]] = {}
        for number in self.delivered:
            by_stream.setdefault(self.published[number].stream, []).append(number)
        return all(numbers == sorted(set(numbers)) for numbers in by_stream.values())

    @property
    def missing(self) -> list[Published]:
        """Return what was not delivered."""
        delivered = set(self.delivered)
        return [one for number, one in enumerate(self.published) if number not in delivered]

    def accounted(self, one: Published) -> bool:
        """Whether holders were told that this message is, or may be, missing."""
        return any(
            (isinstance(event, Recovered) and event.recovery is Recovery.UNKNOWN and at >= one.at)
            or (
                isinstance(event, Gap)
                and (event.stream, event.epoch) == (one.stream, one.epoch)
                and event.first <= one.offset <= event.last
            )
            for at, event in self.events
        )


seeds = st.integers(0, 2**32)
names = st.sampled_from(["A", ONE_STREAM])


@settings(max_examples=60, deadline=None)
@given(seed=seeds, name=names, turns=st.integers(1, 80))
def test_from_a_good_server_nothing_is_lost(seed: int, name: str, turns: int) -> None:
    """One that keeps all and answers: each message comes once, in order, and no account speaks of a doubt."""
    played = Played(seed, name=name, kind=True)
    played.play(turns)
    assert played.missing == []
    assert played.in_order
    assert [event for event in played.told(Recovered) if getattr(event, "reason", "")] == []


@settings(max_examples=150, deadline=None)
@given(seed=seeds, name=names, turns=st.integers(1, 80))
def test_what_a_bad_server_loses_is_told(seed: int, name: str, turns: int) -> None:
    """It forgets, is started anew, and falls silent: nothing comes twice, and what is missing is told or in doubt."""
    played = Played(seed, name=name, kind=False)
    played.play(turns)
    assert played.in_order
    assert [one for one in played.missing if not played.accounted(one)] == []
