"""Which transport carries the next line, and when a better one is tried again.

The transports stand in an order, the best one first; each is a rung. The rules:

1. The next dial goes by the rung at hand. A failure that speaks against the transport (:func:`blame`) leaves the next
   dial to the rung below, and below the last one to the first again. What says nothing about a transport (a name that
   is not found, a port that refuses, TLS, an overloaded server) and what is about us (a token, a path) changes nothing.
2. A transport that the server does not offer is left out for an hour, with this server.
3. A dial with another rung to go to has little time: a black hole costs seconds. Each round over all of them doubles
   it, and so does a host that was not reached in it, up to the time that dials have anyway: on a very slow network
   nothing would come up else.
4. Lines that are lost young again and again speak against their transport, too: for another one that sends. A rung
   that only listens is the last resort, for where none that sends comes up.
5. What carried a line is remembered for the network that it was on, and dialled first there, until a while after a
   better rung was tried last: where lines are too short for a try beside them, it has its turn then.
6. A rung below the first whose dials fail again and again for other reasons is left for the first: what was learned of
   this network may be over.
7. While a line stands on a lower rung the better ones are tried beside it, one at a time, in turn; after a while that
   doubles with each failure and is spread, since a crowd that fell together is not to climb together. Coming up is no
   proof: only a line that was good on the better rung makes these waits short again.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from cableway.errors import (
    ConnectError,
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    LineClosed,
    LineStale,
    MalformedFrame,
    NotAWebSocket,
    NotOffered,
    ProxyFailure,
    ServerSilent,
    UsageError,
)
from cableway.events import WORKS_AGAIN

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence
    from random import Random

    from cableway.errors import CableError

ABSENT_FOR = 3600.0
"""Seconds for which a transport that the server does not offer is left out."""
DROPS = 3
"""Lines lost young in a row that speak against their transport. After a climb one is enough."""
IN_VAIN = 3
"""Failures in a row that say nothing, after which a lower rung is left for the first."""
SPREAD = 0.5
DOUBLINGS = 20
NETWORKS = 16
"""Networks of which something is remembered; with one more the oldest is forgotten."""
SERVERS = 64
"""Servers of which it is remembered what they do not offer; the same."""

_NO_UPGRADE = frozenset({400, 405, 426, 501, 505})
"""What a server says to whom the way has taken the upgrade headers from, and a proxy to what it does not know."""

_PROXY_SAYS_NOTHING = frozenset({407, 408, 429})


class Blame(Enum):
    """What a failure says about the transport."""

    NOTHING = "nothing"
    TRANSPORT = "it does not get through here"
    NOT_OFFERED = "this server does not have it"


def blame(error: BaseException) -> Blame:
    """Tell what *error*, which ended a dial, says about the transport."""
    match error:
        case NotOffered():
            return Blame.NOT_OFFERED
        case ConnectError(__cause__=UsageError()):
            # Of all that was given, only this transport cannot do with it.
            return Blame.NOT_OFFERED
        case HandshakeRefused(status=status):
            return Blame.TRANSPORT if 300 <= status < 400 or status in _NO_UPGRADE else Blame.NOTHING
        case ProxyFailure(status=int(status)):
            refuses = (400 <= status < 500 and status not in _PROXY_SAYS_NOTHING) or status in _NO_UPGRADE
            return Blame.TRANSPORT if refuses else Blame.NOTHING
        case NotAWebSocket() | ServerSilent() | HandshakeCut():
            return Blame.TRANSPORT
    return Blame.NOTHING


def _speaks_against(error: BaseException) -> bool:
    """Tell whether *error* may come from a way that does not bear such lines, where it ended one that was young."""
    return isinstance(error, LineStale | MalformedFrame) or (
        isinstance(error, LineClosed) and error.code in {None, 1002, 1006, 1007}
    )


@frozen
class LadderTimes:
    """How patient it is, in seconds."""

    step_timeout: float = 4.0
    """For each part of a dial that has another rung to go to."""
    probe_after: float = 30.0
    """Until a better rung is tried first."""
    probe_limit: float = 600.0
    """Longest wait between two such tries, before it is spread."""
    remember: float = 600.0
    """For which a network's rung is remembered after a better one was tried last."""


@define
class _Memory:
    rung: int
    until: float


class Ladder:
    """The rungs of one cable. Pure: the caller brings time, chance, errors and the name of the network."""

    def __init__(
        self, names: Sequence[str], times: LadderTimes, random: Random, deaf: Collection[int] = frozenset()
    ) -> None:
        """Begin with the first rung; *deaf* are those that only listen."""
        self.names: Sequence[str] = names
        self.at: int = 0
        """The rung of the line, or of the dial to come."""
        self.why: str = ""
        """Why it is not another one, in words."""
        self.probe_at: float | None = None
        """When to try a better rung; ``None`` while there is none, or no line."""
        self._times = times
        self._random = random
        self._network: Hashable = None
        self._memories: dict[Hashable, _Memory] = {}
        self._server: Hashable = None
        # Until when each server is taken not to have each rung.
        self._absences: dict[Hashable, list[float]] = {}
        # Whether a better rung was tried beside the line at hand.
        self._tried = False
        self._rounds = self._drops = self._vain = self._probes = self._probes_failed = 0
        self._climbed = False
        self._deaf = deaf
        # Why each rung was left on the way down that is under way, and which did not come up.
        self._left: dict[int, str] = {}
        self._blocked: set[int] = set()

    # Dials

    def meet(self, server: Hashable) -> None:
        """What is dialled from now on is *server*: what another one does not offer says nothing of it."""
        self._server = server

    def begin(self, network: Hashable, now: float) -> int:
        """A dial begins, on *network*: return its rung."""
        memory = self._memories.get(network)
        if memory is not None and memory.until <= now:
            del self._memories[network]
            memory = None
            if network == self._network:
                self._go(0, f"what was known of this network is {self._times.remember:g} s old")
        if network != self._network:
            self._network = network
            self._rounds = self._drops = self._vain = self._probes_failed = 0
            self._forget_way()
            self._go(0 if memory is None else memory.rung, "the network is another one")
        if self._others(now) and not self._offered(self.at, now):
            # It was another server's.
            self._go(self._next(now), f"this server does not have {self.names[self.at]}")
        return self.at

    def limit(self, whole: float, now: float) -> float:
        """Return the seconds for each part of the dial at hand, which would have *whole* by itself."""
        if not self._others(now):
            return whole
        return min(whole, self._times.step_timeout * 2.0 ** min(self._rounds, DOUBLINGS))

    def probe_limit(self, whole: float) -> float:
        """Return the same for a dial beside the line."""
        return min(whole, self._times.step_timeout)

    def failed(self, error: CableError, now: float) -> None:
        """The dial has failed."""
        verdict = blame(error)
        if verdict is Blame.NOT_OFFERED:
            self._leave_out(self.at, now)
        if verdict is not Blame.NOTHING:
            self._blocked.add(self.at)
            self._down(error, now)
            return
        if _speaks_against(error):
            self._dropped(error, now)
            return
        if isinstance(error, ConnectTimeout):
            # The host may be farther away than the little time allows.
            self._rounds += 1
        self._vain += 1
        if self.at > 0 and self._vain >= IN_VAIN:
            self._memories.pop(self._network, None)
            self._go(0, f"{self.names[self.at]} was tried {IN_VAIN} times: {_words(error)}")

    def came_up(self, now: float) -> None:
        """The server has welcomed us."""
        self._rounds = self._vain = 0
        self._forget_way()
        self._tried = False
        if self._network not in self._memories:
            self._remember(now)
        self._plan_probe(now)

    # The line

    def lost(self, error: CableError | None, now: float, *, good: bool) -> None:
        """The line is down: by *error*, or let go. *good*: it was for long enough, or did what it was needed for."""
        self.probe_at = None
        if self._tried:
            self._remember(now)
        if good:
            self.proved()
        elif error is not None and _speaks_against(error):
            self._dropped(error, now)

    def proved(self) -> None:
        """The line is good."""
        self._drops = 0
        self._climbed = False
        if self.at == 0:
            self._probes_failed = 0

    def moved(self, now: float) -> None:
        """The way to the network is another one, and the line has survived that: a better rung may work again."""
        self._probes_failed = 0
        if self.probe_at is not None:
            self._plan_probe(now)

    # The way back up

    def probe(self, now: float) -> int | None:
        """Return the better rung to try beside the line now; ``None`` if there is none, or it is too early."""
        if self.probe_at is None or now < self.probe_at:
            return None
        self.probe_at = None
        better = self._better(now)
        if not better:
            self._plan_probe(now)
            return None
        self._probes += 1
        return better[(self._probes - 1) % len(better)]

    def probe_failed(
        self, rung: int, error: BaseException | None, now: float, *, not_before: float | None = None
    ) -> None:
        """It came to nothing, by *error* or since it was given up for something else.

        *not_before*: seconds for which the server asked us to stay away.
        """
        if error is not None:
            self._tried = True
            self._probes_failed += 1
            if blame(error) is Blame.NOT_OFFERED:
                self._leave_out(rung, now)
        self._plan_probe(now)
        if self.probe_at is not None and not_before is not None:
            self.probe_at = max(self.probe_at, now + not_before)

    def took_over(self, rung: int, now: float) -> None:
        """The line stands on *rung* from now on."""
        self._go(rung, f"{self.names[rung]} {WORKS_AGAIN}")
        self._drops = self._vain = self._rounds = self._probes = 0
        self._climbed = True
        # Should this line not last, the next try is not to come sooner.
        self._probes_failed += 1
        self._remember(now)
        self._plan_probe(now)

    # Inside

    def _go(self, rung: int, why: str) -> None:
        if rung != self.at:
            self.at, self.why = rung, why
            self._drops = self._vain = 0
            self._climbed = False

    def _dropped(self, error: CableError, now: float) -> None:
        self._drops += 1
        if self._drops >= DROPS or self._climbed:
            short = f"{self._drops} lines in a row" if self._drops > 1 else "the line"
            self._down(error, now, f"{short} did not last: ")

    def _down(self, error: CableError, now: float, said: str = "") -> None:
        self._left.pop(self.at, None)
        self._left[self.at] = f"{self.names[self.at]}: {said}{_words(error)}"
        # That it carried lines once is no reason any more.
        memory = self._memories.get(self._network)
        if memory is not None and memory.rung == self.at:
            del self._memories[self._network]
        to = self._next(now)
        if to <= self.at:
            self._rounds += 1
        self._left.pop(to, None)
        self._go(to, "; ".join(self._left.values()))

    def _next(self, now: float) -> int:
        """Return the rung to go to: the next one below, else the first; one that only listens as the last resort."""
        others = [rung for rung in self._others(now) if rung not in self._deaf or self._is_last_resort(now)]
        below = [rung for rung in others if rung > self.at]
        nowhere = self.at if self._offered(self.at, now) else 0
        return next(iter(below or others), nowhere)

    def _is_last_resort(self, now: float) -> bool:
        senders = [rung for rung in range(len(self.names)) if rung not in self._deaf]
        return all(rung in self._blocked or not self._offered(rung, now) for rung in senders)

    def _forget_way(self) -> None:
        self._left.clear()
        self._blocked.clear()

    def _others(self, now: float) -> list[int]:
        """Return the rungs to go to from here that may be offered, best first."""
        return [rung for rung in range(len(self.names)) if rung != self.at and self._offered(rung, now)]

    def _offered(self, rung: int, now: float) -> bool:
        absences = self._absences.get(self._server)
        return absences is None or absences[rung] <= now

    def _leave_out(self, rung: int, now: float) -> None:
        absences = self._absences.pop(self._server, [float("-inf")] * len(self.names))
        absences[rung] = now + ABSENT_FOR
        self._absences[self._server] = absences
        _forget_oldest(self._absences, SERVERS)

    def _better(self, now: float) -> list[int]:
        return [rung for rung in self._others(now) if rung < self.at]

    def _remember(self, now: float) -> None:
        self._memories.pop(self._network, None)
        self._memories[self._network] = _Memory(self.at, now + self._times.remember)
        _forget_oldest(self._memories, NETWORKS)

    def _plan_probe(self, now: float) -> None:
        self.probe_at = None
        if self.at > 0:
            doubled = self._times.probe_after * 2.0 ** min(self._probes_failed, DOUBLINGS)
            wait = min(doubled, max(self._times.probe_limit, self._times.probe_after))
            self.probe_at = now + wait * self._random.uniform(1 - SPREAD, 1 + SPREAD)


def _forget_oldest(known: dict[Hashable, Any], limit: int) -> None:
    while len(known) > limit:
        del known[next(iter(known))]


def _words(error: BaseException) -> str:
    return error.what if isinstance(error, ConnectError) else str(error)
