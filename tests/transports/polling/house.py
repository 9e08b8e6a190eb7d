"""A small server of long polling, made by hand from AnyCable's documentation, that fails where a test wants it to."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from aiohttp import web
from attrs import define, field

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Fault = Callable[["House", "Visit"], Awaitable[web.StreamResponse]]


@define
class Session:
    """One session, from its first request on."""

    poll_id: str
    sid: str
    subscribed: dict[str, None] = field(factory=dict)
    waiting: list[dict[str, Any]] = field(factory=list)
    news: asyncio.Event = field(factory=asyncio.Event)
    polls: int = 0
    """Requests that are held at the moment."""
    asked_at: float = 0.0

    def say(self, *frames: dict[str, Any]) -> None:
        """Have *frames* go with the next answer."""
        self.waiting += frames
        self.news.set()


@define
class Visit:
    """One request, as it was sent."""

    request: web.BaseRequest
    body: bytes
    at: float

    @property
    def commands(self) -> list[dict[str, Any]]:
        """What stands in it."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def poll_id(self) -> str | None:
        """Which session it is for; ``None`` if for a new one."""
        return self.request.headers.get("X-Anycable-Poll-ID")


@define
class House:
    """The server, what it was asked, and what it is to do wrong."""

    hold: float = 15.0
    keepalive: float = 5.0
    headers: dict[str, str] = field(factory=dict)
    """Of each answer."""
    sessions: dict[str, Session] = field(factory=dict)
    """By their poll id; those that lapsed are gone."""
    visits: list[Visit] = field(factory=list)
    faults: deque[Fault | None] = field(factory=deque)
    """What the next requests meet; ``None``: nothing bad."""
    performed: list[Any] = field(factory=list)
    """The data of all commands, in the order in which they were run."""
    past: list[dict[str, Any]] = field(factory=list)
    """Messages that the server keeps."""
    restorable: dict[str, Session] = field(factory=dict)
    most_at_once: int = 0
    """How many requests of one session were held at one time."""
    port: int = 0
    _numbers: count[int] = field(factory=lambda: count(1))
    _news: asyncio.Event = field(factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it takes polls."""
        return f"http://127.0.0.1:{self.port}/lp"

    @property
    def session(self) -> Session:
        """The latest session."""
        return list(self.sessions.values())[-1]

    def publish(self, identifier: str, *values: Any) -> None:
        """Give *values* a place in the stream of *identifier*, and send them to all who subscribed."""
        for value in values:
            place = {"stream_id": "s", "epoch": "e", "offset": len(self.past) + 1}
            self.past.append({"identifier": identifier, "message": value, **place})
            for session in self.sessions.values():
                if identifier in session.subscribed:
                    session.say(self.past[-1])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what the requests have brought is as a test wants it."""
        async with asyncio.timeout(60):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take one request."""
        visit = Visit(request, await request.read(), asyncio.get_running_loop().time())
        self.visits.append(visit)
        self._news.set()
        fault = self.faults.popleft() if self.faults else None
        return await (fault(self, visit) if fault is not None else self.serve(visit))

    async def serve(self, visit: Visit) -> web.StreamResponse:
        """Answer as the documentation tells."""
        if visit.poll_id is None:
            return self.respond(self.opened(visit), new=True)
        session = self.sessions.get(visit.poll_id)
        if session is None or (not session.polls and visit.at - session.asked_at > self.keepalive):
            self.sessions.pop(visit.poll_id, None)
            return web.Response(status=401, text='{"type":"disconnect","reason":"session_expired","reconnect":true}\n')
        self.run(session, visit.commands)
        return await self.held(session)

    async def held(self, session: Session) -> web.StreamResponse:
        """Wait for news, and answer with them."""
        session.polls += 1
        self.most_at_once = max(self.most_at_once, session.polls)
        self._news.set()
        try:
            async with asyncio.timeout(self.hold):
                while not session.waiting:
                    session.news.clear()
                    await session.news.wait()
        except TimeoutError:
            pass
        finally:
            session.polls -= 1
            session.asked_at = asyncio.get_running_loop().time()
        return self.respond(session)

    def opened(self, visit: Visit) -> Session:
        """Make a session, or give one back."""
        number = next(self._numbers)
        session = Session(f"pl_{number}", f"s{number}", asked_at=visit.at)
        old = self.restorable.get(visit.request.headers.get("X-ANYCABLE-RESTORE-SID", ""))
        welcome: dict[str, Any] = {"type": "welcome", "sid": session.sid}
        if old is not None:
            session.subscribed = dict(old.subscribed)
            welcome |= {"restored": True, "restored_ids": list(old.subscribed)}
        self.restorable[session.sid] = self.sessions[session.poll_id] = session
        session.say(welcome)
        return session

    def respond(self, session: Session, *, new: bool = False) -> web.Response:
        """Give what waits for *session*."""
        lines = "".join(json.dumps(frame) + "\n" for frame in session.waiting)
        session.waiting.clear()
        response = web.Response(text=lines, headers=self.headers)
        if new:
            response.headers["X-Anycable-Poll-ID"] = session.poll_id
            response.set_cookie("node", "seven")
        return response

    def run(self, session: Session, commands: list[dict[str, Any]]) -> None:
        """Run *commands*."""
        for command in commands:
            identifier = command.get("identifier", "")
            match command["command"]:
                case "subscribe" if "Rejected" in identifier:
                    session.say({"type": "reject_subscription", "identifier": identifier})
                case "subscribe":
                    session.subscribed[identifier] = None
                    session.say({"type": "confirm_subscription", "identifier": identifier})
                    self.recall(session, identifier, command.get("history"))
                case "unsubscribe":
                    session.subscribed.pop(identifier, None)
                case "history":
                    self.recall(session, identifier, command["history"])
                case "ping":
                    session.say({"type": "pong"})
                case "message":
                    self.perform(session, identifier, json.loads(command["data"]))

    def perform(self, session: Session, identifier: str, data: Any) -> None:
        """Run an action: ``echo`` gives the data back."""
        self.performed.append(data)
        if data.get("action") == "echo":
            session.say({"identifier": identifier, "message": data})

    def recall(self, session: Session, identifier: str, query: Any) -> None:
        """Tell what was published since a place."""
        if query is not None:
            after = query.get("streams", {}).get("s", {"offset": len(self.past)})["offset"]
            session.say(*[one for one in self.past[after:] if one["identifier"] == identifier])
            session.say({"type": "confirm_history", "identifier": identifier})


@asynccontextmanager
async def serving(house: House | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[House]:
    """Give a server on this machine."""
    house = house or House()
    server = web.Server(house.answer, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    house.port = runner.addresses[0][1]
    try:
        yield house
    finally:
        await runner.cleanup()


# What can go wrong


def status(code: int, **headers: str) -> Fault:
    """Refuse with a status, and run nothing."""

    async def refuse(_: House, __: Visit) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return refuse


async def swallow(house: House, visit: Visit) -> web.StreamResponse:
    """Run the commands, take what waits for the session, and cut the line instead of an answer."""
    session = house.sessions.get(visit.poll_id or "")
    if session is not None:
        house.run(session, visit.commands)
        session.waiting.clear()
        session.asked_at = visit.at
    return _cut(visit)


async def cut(_: House, visit: Visit) -> web.StreamResponse:
    """Cut the line before anything was run."""
    return _cut(visit)


async def break_off(house: House, visit: Visit) -> web.StreamResponse:
    """Run the commands, and cut the line in the middle of the answer."""
    session = house.sessions.get(visit.poll_id or "")
    if session is not None:
        house.run(session, visit.commands)
        session.waiting.clear()
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(visit.request)
    await response.write(b'{"type":"ping","message":1790000000}\n{"type":')
    return _cut(visit)


def _cut(visit: Visit) -> web.StreamResponse:
    if visit.request.transport is not None:
        visit.request.transport.close()
    return web.Response()
