"""Tokens in the hands of a test: who issues them, a server that checks them, and a cable between the two."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway import Cable, ConnectTimeout, Event, HandshakeRefused, MemoryTransport
from cableway.auth.minting import mint_token
from tests.scripted import STEADY, URL, background

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cableway.transports.base import DialRequest, Sink
    from cableway.transports.memory import MemoryConnection, MemoryServer

SECRET = "k" * 32

EPOCH = 1_800_000_000.0
"""What the server's clock shows when the loop's shows nothing. This machine's wall clock is months away from it."""


def server_time() -> float:
    """Unix time by the server's clock."""
    return EPOCH + asyncio.get_running_loop().time()


def mint(life: float = 60.0, who: str = "user", **claims: Any) -> str:
    """Mint a token by the server's clock."""
    return mint_token(json.dumps({"who": who, **claims}), secret=SECRET, life=life, now=server_time())


class Issuer:
    """A source of tokens that takes its time, counts, and fails as it is told."""

    def __init__(self, life: float = 60.0, *, delay: float = 0.05) -> None:
        self.life = life
        self.asked: list[float] = []
        """When it was asked."""
        self.values: list[str] = []
        """What it gave."""
        self.answer: Callable[[], Any] | None = None
        """Answers in place of a token: gives one, raises, or never ends."""
        self.at_once = self.most_at_once = 0
        """Requests under way."""
        self._delay = delay

    async def fetch(self) -> Any:
        """Give a token."""
        self.asked.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._delay)
            if self.answer is not None:
                answer = self.answer()
                return await answer if asyncio.iscoroutine(answer) else answer
            self.values.append(mint(self.life, number=len(self.asked)))
            return self.values[-1]
        finally:
            self.at_once -= 1


class Guarded(MemoryTransport):
    """Lines on whose dials somebody may say no."""

    def __init__(self) -> None:
        super().__init__()
        self.check: Callable[[DialRequest], None] = lambda _: None
        """Raises to refuse a dial."""
        self.accepts = True
        """Cleared, dials hang."""

    async def open(self, request: DialRequest, sink: Sink) -> MemoryConnection:
        """Have the dial checked, and taken."""
        self.check(request)
        if not self.accepts:
            await asyncio.sleep(request.timeout)
            raise ConnectTimeout(request.url, request.timeout, "no answer")
        return await super().open(request, sink)


@define
class Talk:
    """One line, as the server has it."""

    line: MemoryServer
    token: str
    number: int
    subscribed: set[str] = field(factory=set)
    commands: list[tuple[str, str]] = field(factory=list)


class Backend:
    """A server with a memory for each line, as servers have: subscriptions end with their line, and not before.

    It knows a token by its claims, tells the time in its pings, and notes what no client should do.
    """

    def __init__(self, transport: Guarded, *, delay: float = 0.01) -> None:
        self.talks: list[Talk] = []
        self.faults: list[str] = []
        self.performed: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[str] = []
        """Why dials were turned away."""
        self.way = "status"
        """How a dial is turned away: by an HTTP ``status``, or by a ``disconnect`` frame."""
        self.status = 401
        self.opaque = False
        """Whether any token will do."""
        self.revoked: set[str] = set()
        """Tokens that count no more, though their time has not come."""
        self.welcomes: Callable[[Talk], bool] = lambda _: True
        self.answers: Callable[[Talk, str], str | None] = lambda *_: "confirm"
        """What a subscribe command is answered: ``confirm``, ``reject``, or nothing."""
        self._transport = transport
        self._delay = delay
        self._tasks: set[asyncio.Task[None]] = set()
        transport.check = self._check

    @property
    def open(self) -> list[Talk]:
        """Lines that are up."""
        return [talk for talk in self.talks if not talk.line.over.is_set()]

    def broadcast(self, identifier: str, *values: Any) -> int:
        """Send a message to whoever has subscribed; return on how many lines."""
        talks = [talk for talk in self.open if identifier in talk.subscribed]
        for talk in talks:
            talk.line.message(identifier, *values)
        return len(talks)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Backend]:
        """Take dials until the block is left."""
        self._start(self._serve())
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _verdict(self, token: str) -> str | None:
        if self.opaque:
            return None
        if token in self.revoked or token.count(".") != 2:
            return "unauthorized"
        import jwt

        claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
        return "token_expired" if claims["exp"] <= server_time() else None

    def _check(self, request: DialRequest) -> None:
        reason = self._verdict(request.headers.get("x-jid", ""))
        if reason is not None and self.way == "status":
            self.refusals.append(reason)
            raise HandshakeRefused(request.url, self.status, {})

    async def _serve(self) -> None:
        while True:
            server = await self._transport.accept()
            talk = Talk(server, server.request.headers.get("x-jid", ""), len(self.talks))
            self.talks.append(talk)
            self._start(self._talk(talk))

    def _start(self, work: Any) -> None:
        task = background(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, talk: Talk) -> None:
        await asyncio.sleep(self._delay)
        reason = self._verdict(talk.token)
        if reason is not None:
            self.refusals.append(reason)
            talk.line.send({"type": "disconnect", "reason": reason, "reconnect": False})
            talk.line.close(1000)
            return
        if self.welcomes(talk):
            talk.line.welcome()
        self._start(self._beat(talk.line))
        while not talk.line.over.is_set():
            self._obey(talk, await talk.line.receive())

    async def _beat(self, server: MemoryServer) -> None:
        while not server.over.is_set():
            server.send({"type": "ping", "message": int(server_time())})
            await asyncio.sleep(3)

    def _obey(self, talk: Talk, command: dict[str, Any]) -> None:
        name, wanted = command["command"], command["identifier"]
        talk.commands.append((name, wanted))
        if name == "subscribe":
            asyncio.get_running_loop().call_later(self._delay, self._subscribe, talk, wanted)
        elif wanted not in talk.subscribed:
            self.faults.append(f"{name} without a subscription: {wanted}")
        elif name == "unsubscribe":
            talk.subscribed.discard(wanted)
        else:
            self.performed.append((wanted, json.loads(command["data"])))

    def _subscribe(self, talk: Talk, wanted: str) -> None:
        answer = self.answers(talk, wanted)
        if wanted in talk.subscribed:
            self.faults.append(f"subscribed twice: {wanted}")
        elif answer == "confirm":
            talk.subscribed.add(wanted)
            talk.line.confirm(wanted)
        elif answer == "reject":
            talk.line.reject(wanted)


@define
class Scene:
    """A cable, its source of tokens, and its server."""

    cable: Cable
    issuer: Issuer
    backend: Backend
    events: list[Event] = field(factory=list)

    def told(self, *kinds: type[Event]) -> list[Any]:
        """Return the events of *kinds* so far."""
        return [event for event in self.events if isinstance(event, kinds)]


@asynccontextmanager
async def staged(
    issuer: Issuer | None = None,
    *,
    delay: float = 0.01,
    through: Callable[[Guarded], Any] = lambda transport: [transport],
    **options: Any,
) -> AsyncIterator[Scene]:
    """A cable that is ready to be opened, and closed afterwards whatever the test does; nothing is left of it.

    *through* gives the transports by which the server is reached.
    """
    issuer = issuer or Issuer()
    transport = Guarded()
    async with Backend(transport, delay=delay).serving() as backend:
        before = asyncio.all_tasks()
        given = {"token": issuer.fetch, "backoff": STEADY, **options}
        scene = Scene(Cable(URL, transports=through(transport), **given), issuer, backend)
        scene.cable.on(Event, scene.events.append)
        try:
            yield scene
        finally:
            await scene.cable.close(flush=False)
        await asyncio.sleep(5)
        serving = {task for task in asyncio.all_tasks() if "Backend" in repr(task.get_coro())}
        assert asyncio.all_tasks() - before - serving == set()
        assert backend.open == []
        assert scene.cable._engine._timer is None
        assert backend.faults == []
