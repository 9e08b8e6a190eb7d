"""Any sequence of wishes, answers, silences and drops: the last wish wins, and nothing is left over."""

from __future__ import annotations

from collections import defaultdict, deque
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cableway.hub.driver import COOLDOWN, IN_FLIGHT
from cableway.hub.effects import Name, Recycle, Send
from cableway.hub.hub import Hub
from cableway.hub.options import SubscriptionOptions
from cableway.hub.wish import Stand
from cableway.states import SubscriptionState
from cableway.types import Identifier
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import Subscribe
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.frames import Confirm, Data, Reject
from tests.hub.desk import frame, identifier

if TYPE_CHECKING:
    from cableway.hub.effects import HubEffect
    from cableway.hub.wish import Handle, Wish

# The server confirms the good ones, rejects the bad ones, and has never heard of the mute ones.
GOOD = ["good1", "good2", "good3"]
NAMES = st.sampled_from([*GOOD, "bad", "mute1", "mute2"])
CONFIRM_TIMEOUT = 5.0


class Server:
    """One line's end at a server that runs commands in order and answers when it is told to."""

    def __init__(self, now: float) -> None:
        self.since = now
        self.has: set[str] = set()
        self.answers: deque[tuple[str, bool]] = deque()
        self.said: dict[str, tuple[type, float]] = {}
        """The last command for each identifier, and when it came; forgotten once it was answered."""
        self.confirmed: set[str] = set()
        """What the client was told of, and did not take back since."""
        self.commands: dict[str, int] = defaultdict(int)
        self.flips: dict[str, int] = defaultdict(int)
        self.strange: set[str] = set()

    def take(self, effect: Send, now: float) -> None:
        """Check a command against what was said before, and run it."""
        name = effect.command.identifier
        self.commands[name] += 1
        before = self.said.get(name)
        if isinstance(effect.command, Subscribe):
            assert name not in self.confirmed, "subscribed to what is confirmed"
            if before is not None:
                kind, at = before
                wait = CONFIRM_TIMEOUT if kind is Subscribe else COOLDOWN
                assert now - at >= wait - 1e-6, f"subscribe {now - at} s after {kind.__name__}"
            if name not in self.has and "mute" not in name:
                good = "bad" not in name
                self.answers.append((name, good))
                self.has |= {name} if good else set()
        else:
            self.has.discard(name)
            self.confirmed.discard(name)
        self.said[name] = (type(effect.command), now)


class HubMachine(RuleBasedStateMachine):
    """The hub against a server that answers, is slow, forgets to answer, and disappears."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(JSONCodec(), BaseDialect(), Random(3))
        self.now = 50.0
        self.server: Server | None = None
        self.handles: list[Handle] = []
        self.left: list[Handle] = []
        self.naming: list[Wish] = []
        self.losses: dict[str, int] = defaultdict(int)
        self.sequence = 0

    # The user

    @rule(name=NAMES, retry=st.booleans())
    def join(self, name: str, retry: bool) -> None:  # noqa: FBT001
        """Subscribe."""
        self._flip(identifier(name))
        self._join(identifier(name), retry)

    @rule()
    def join_by_function(self) -> None:
        """Subscribe to what a function names."""
        self._join(lambda: Identifier("unused"), retry=False)

    def _join(self, source: Any, retry: bool) -> None:  # noqa: FBT001
        options = SubscriptionOptions(retry_rejected=retry, confirm_timeout=CONFIRM_TIMEOUT)
        self.handles.append(self.hub.join(source, options, lambda _: None, self.now))
        self._settle()

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), flush=st.booleans())
    def leave(self, data: st.DataObject, flush: bool) -> None:  # noqa: FBT001
        """Unsubscribe."""
        handle = data.draw(st.sampled_from(self.handles))
        self._flip(handle.wish.identifier)
        self._leave(handle, flush=flush)

    def _leave(self, handle: Handle, *, flush: bool = True) -> None:
        self.handles.remove(handle)
        self.left.append(handle)
        if len(handle.wish.handles) == 1 and handle in handle.wish.handles:
            handle.wish.partings.append(lambda: None)
        self.hub.leave(handle, self.now, flush=flush)
        self._settle()

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def perform(self, data: st.DataObject) -> None:
        """Write a command, after which the unsubscribe has to wait."""
        data.draw(st.sampled_from(self.handles)).wish.last_command = self.now

    @precondition(lambda self: self.naming)
    @rule(data=st.data(), name=NAMES | st.none())
    def answer_name(self, data: st.DataObject, name: str | None) -> None:
        """A function gives its name, or fails."""
        wish = self.naming.pop(data.draw(st.integers(0, len(self.naming) - 1)))
        if name is not None:
            self._flip(identifier(name))
            self._flip(wish.identifier)
        self.hub.named(wish, None if name is None else identifier(name), self.now)
        self._settle()

    def _flip(self, name: str | None) -> None:
        if self.server is not None and name is not None:
            self.server.flips[name] += 1

    # The line

    @precondition(lambda self: self.server is None)
    @rule()
    def line_up(self) -> None:
        """The line comes up."""
        self.server = Server(self.now)
        self.hub.line_up("memory", self.now, protocol="base")
        self._settle()

    @precondition(lambda self: self.server is not None)
    @rule()
    def line_down(self) -> None:
        """The line breaks."""
        self.server = None
        self.hub.line_down(None, self.now)
        self._settle()

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.25, 0.4, 1.0, 4.9, 5.0, 11.0, 40.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, and the hub is called whenever it asked to be."""
        until = self.now + seconds
        while (due := self.hub.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.hub.tick(self.now)
            self._settle()
        self.now = until

    @rule(seconds=st.sampled_from([3.0, 20.0]))
    def oversleep(self, seconds: float) -> None:
        """The machine was busy, or suspended: the hub is called late."""
        self.now += seconds
        self.hub.tick(self.now)
        self._settle()

    # The server

    @precondition(lambda self: self.server is not None and self.server.answers)
    @rule(many=st.booleans())
    def answer(self, many: bool) -> None:  # noqa: FBT001
        """The server answers what is next, or all it owes."""
        assert self.server is not None
        for _ in range(len(self.server.answers) if many else 1):
            if self.server is not None and self.server.answers:
                self._deliver(*self.server.answers.popleft())

    @precondition(lambda self: self.server is not None and self.server.answers)
    @rule()
    def lose_an_answer(self) -> None:
        """An answer never arrives."""
        assert self.server is not None
        name, good = self.server.answers.popleft()
        self.losses[name] += 1
        if not good:
            self.server.has.discard(name)

    @precondition(lambda self: self.server is not None and self.server.confirmed)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        """The server takes a subscription back."""
        assert self.server is not None
        name = data.draw(st.sampled_from(sorted(self.server.confirmed)))
        self.server.has.discard(name)
        self._deliver(name, good=False)

    @precondition(lambda self: self.server is not None)
    @rule(name=NAMES)
    def confirm_out_of_the_blue(self, name: str) -> None:
        """The server confirms what it was not asked for, once a line."""
        assert self.server is not None
        name = identifier(name)
        if name not in self.server.strange:
            self.server.strange.add(name)
            self.server.has.add(name)
            self._flip(name)
            self._deliver(name, good=True)

    @precondition(lambda self: self.server is not None)
    @rule(name=NAMES)
    def message(self, name: str) -> None:
        """A message arrives, as a whole frame or by the fast way."""
        self.sequence += 1
        raw = frame(name, self.sequence)
        whole = Data(identifier(name), self.sequence)
        self.hub.router.route([raw], 0.0, self.now, lambda slow: self.hub.router.deliver(whole, slow, 0.0, self.now))
        self._settle()

    def _deliver(self, name: str, good: bool) -> None:  # noqa: FBT001
        assert self.server is not None
        self.losses.pop(name, None)
        last, at = self.server.said.get(name, (Subscribe, self.now))
        if good:
            # Within the pause after an unsubscribe it was sent before the server saw that.
            if last is Subscribe or self.now - at > COOLDOWN:
                self.server.confirmed.add(name)
                self.server.said.pop(name, None)
            self.hub.hear(Confirm(name), self.now)
        else:
            self.server.has.discard(name)
            self.server.confirmed.discard(name)
            self.server.said.pop(name, None)
            self.hub.hear(Reject(name), self.now)
        self._settle()

    def _settle(self) -> None:
        while effects := self.hub.drain():
            for effect in effects:
                self._carry_out(effect)

    def _carry_out(self, effect: HubEffect) -> None:
        match effect:
            case Send() if self.server is not None:
                self.server.take(effect, self.now)
            case Name(wish):
                self.naming.append(wish)
            case Recycle() if self.server is not None:
                for name, (kind, _) in self.server.said.items():
                    self.losses[name] += kind is Subscribe
                self.server = None
                self.hub.line_down(effect.error, self.now)

    # What always holds

    @invariant()
    def handles_tell_the_truth(self) -> None:
        """A handle is subscribed only on a line that is up, after the server said so; left, it is closed."""
        for handle in self.handles:
            if handle.state is SubscriptionState.SUBSCRIBED:
                assert self.server is not None
                assert handle.wish.identifier in self.server.confirmed
                assert handle.wish.stand is Stand.LIVE
            if handle.wish.stand is Stand.LIVE and handle in handle.wish.handles:
                assert handle.state is SubscriptionState.SUBSCRIBED
        for handle in self.left:
            assert handle.state in (SubscriptionState.CLOSED, SubscriptionState.REJECTED)
            assert handle not in handle.wish.handles

    @invariant()
    def no_storm(self) -> None:
        """At most sixteen are unanswered, and no change of mind costs more than two commands."""
        assert len(self.hub._driver._unanswered) <= IN_FLIGHT
        if self.server is not None:
            patience = 2 * (self.now - self.server.since) / CONFIRM_TIMEOUT
            for name, commands in self.server.commands.items():
                assert commands <= 2 * self.server.flips[name] + 2 + patience

    @invariant()
    def every_wait_has_an_end(self) -> None:
        """A wish that waits for the server, or for time, has a time; the hub knows the earliest."""
        timed = {Stand.ASKED, Stand.ABANDONED, Stand.LEAVING, Stand.COOLING, Stand.RETURNING}
        for wish in self.hub.wishes:
            assert wish.stand is not Stand.GONE
            assert (wish.due is not None) or wish.stand not in timed
            assert wish.handles or wish.stand in (Stand.ABANDONED, Stand.LEAVING, Stand.COOLING)
            if wish.due is not None:
                assert self.hub.deadline is not None
                assert self.hub.deadline <= wish.due

    def teardown(self) -> None:
        """From anywhere, an honest server and some time bring what is wished for; without wishes, nothing is left."""
        self._recover()
        for handle in self.handles:
            if handle.state is not SubscriptionState.REJECTED and handle.wish.identifier in map(identifier, GOOD):
                assert handle.state is SubscriptionState.SUBSCRIBED
        wanted = {handle.wish.identifier for handle in self.handles}
        assert self.server is not None
        assert {name for name in self.server.has if "mute" not in name} <= wanted
        for handle in list(self.handles):
            self._leave(handle)
        self._recover()
        assert self.hub.wishes == []
        assert self.hub.deadline is None
        assert not self.server.has
        driver, router = self.hub._driver, self.hub.router
        for leftover in (driver._queue, driver._unanswered, driver._live, router._heads, router._pausing):
            assert not leftover
        assert not any(handle.wish.partings for handle in self.left)

    def _recover(self) -> None:
        if self.server is not None and max(self.losses.values(), default=0) > 1:
            # Lost again on the fresh line: while others are confirmed, only the next line brings it back.
            self.line_down()
        for _ in range(120):
            if self.server is None:
                self.line_up()
            while self.naming:
                wish = self.naming.pop()
                self.hub.named(wish, identifier("good1"), self.now)
                self._settle()
            while self.server is not None and self.server.answers:
                self._deliver(*self.server.answers.popleft())
            self.wait(5.0)
        if self.server is None:
            self.line_up()


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
