"""The line of a client that polls: what its session says waits here for the next request."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from attrs import Factory, define

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from cableway.wire.server_session import Verdict

ANSWER_SIZE: Final = 262_144
"""Bytes after which an answer is full: what is left waits for the next one."""
HELD_LINES: Final = 64
"""Commands that may wait before a further request has to."""


@define(eq=False)
class Turn:
    """One request, for as long as it waits."""

    _ended: asyncio.Event = Factory(asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether it waits no more: a later one does, or its client has hung up."""
        return self._ended.is_set()

    def end(self) -> None:
        """Have it wait no more."""
        self._ended.set()

    async def ended(self) -> None:
        """Wait until it waits no more."""
        await self._ended.wait()


class PollLine:
    """One client's line, from its opening request until it stays away, or is sent away.

    One request at a time waits. A later one takes over: the earlier is answered at once and with nothing, so that what
    there is to say goes, in order, to the one that the client made last. What could not be written is put back.
    """

    def __init__(self, *, keepalive: float) -> None:
        self.poll_id: str = secrets.token_urlsafe(16)
        """By which its requests find it. Whoever has it could read along: it is in no log."""
        self.accepted: bool = False
        """Whether the client has been let in."""
        self.close_code: int | None = None
        """How the session has ended it, if it has."""
        self.keepalive: float = keepalive
        """Seconds without any request after which the client counts as gone; 0: with the last one in the house."""
        self._timer: asyncio.TimerHandle | None = None
        self._requests: dict[Turn, Callable[[], None]] = {}
        self._turn: Turn | None = None
        self._said: list[bytes] = []
        self._size = 0
        self._asked: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._taking = asyncio.Event()
        self._fetched = asyncio.Event()
        self._over = False

    @property
    def over(self) -> bool:
        """Whether there is no session any more."""
        return self._over

    @property
    def asking(self) -> bool:
        """Whether a request of the client's is in the house."""
        return bool(self._requests)

    # What the session does -------------------------------------------------------------------------------------------

    def let_in(self) -> None:
        """Note it: the opening request may be answered."""
        self.accepted = True
        self._changed.set()

    def settled(self, verdict: Verdict, *, idle: bool) -> None:
        """Nothing depends on it here."""

    async def messages(self) -> AsyncIterator[bytes]:
        """Hand over what the client asks, until the end."""
        while not self._over:
            if self._asked:
                yield self._asked.popleft()
                self._changed.set()
            else:
                self._changed.clear()
                await self._changed.wait()

    async def send(self, frame: bytes) -> None:
        """Put one frame into the answer; wait while nobody asks, or the answer is full."""
        await self._taking.wait()
        # Between the tokens of JSON there may be line ends, and in it nowhere else; here they would end the frame.
        self._said.append(frame.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")
        self._size += len(frame) + 1
        if self._size >= ANSWER_SIZE:
            self._taking.clear()
        self._changed.set()

    async def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - there is no place for it here
        """End it once the client has fetched all that was said."""
        self.close_code = code
        self._changed.set()
        await self._fetched.wait()
        self.end()

    def abort(self) -> None:
        """Be gone at once."""
        for abort in list(self._requests.values()):
            abort()
        self.end()

    def end(self) -> None:
        """Be gone: nobody asks any more. May be called again."""
        self._over = True
        self._stop_timer()
        self._changed.set()

    # What requests do ------------------------------------------------------------------------------------------------

    @contextmanager
    def request(self, abort: Callable[[], None]) -> Iterator[Turn]:
        """Have a request in the house: the client counts as there. *abort* cuts it off."""
        turn = Turn()
        self._requests[turn] = abort
        self._stop_timer()
        try:
            yield turn
        finally:
            self.leave(turn)
            del self._requests[turn]
            if not self._requests and not self._over:
                self._expect_another()

    def leave(self, turn: Turn) -> None:
        """Have a request wait no more, as if it had never come: what it would have got is for the next one."""
        turn.end()
        if self._turn is turn:
            self._turn = None
            self._taking.clear()
        self._changed.set()

    async def ask(self, turn: Turn, lines: Iterable[bytes]) -> None:
        """Give the session its client's commands; wait first while many of before are still to be carried out."""
        await self._until(turn, lambda: len(self._asked) < HELD_LINES, None)
        if not turn.over:
            self._asked.extend(line for line in lines if line.strip())
            self._changed.set()

    async def fetch(self, turn: Turn, *, patience: float | None, flush: float) -> list[bytes]:
        """Return what there is to say, as lines.

        Args:
            turn: The request, which waits from now on; one that waited before does so no more.
            patience: Seconds to wait for something; ``None``: until the client is let in, or is not.
            flush: Seconds to wait for more.
        """
        if self._turn is not None:
            self._turn.end()
        if turn.over:
            return []
        self._turn = turn
        self._resume()
        await self._until(turn, lambda: bool(self._said) or self.close_code is not None, patience)
        if flush and self._said:
            await self._until(turn, lambda: self._size >= ANSWER_SIZE or self.close_code is not None, flush)
        if turn.over:
            return []
        self._turn = None
        self._taking.clear()
        said, self._said, self._size = self._said, [], 0
        if self.close_code is not None:
            self._fetched.set()
        return said

    def put_back(self, lines: list[bytes]) -> None:
        """Take back what could not be written."""
        self._said[:0] = lines
        self._size += sum(map(len, lines))
        self._changed.set()

    def _resume(self) -> None:
        if self._size < ANSWER_SIZE:
            self._taking.set()
        self._changed.set()

    async def _until(self, turn: Turn, ready: Callable[[], bool], patience: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not (turn.over or self._over or ready()):
                    self._changed.clear()
                    await self._changed.wait()

    def _expect_another(self) -> None:
        if self.keepalive:
            self._timer = asyncio.get_running_loop().call_later(self.keepalive, self.end)
        else:
            self.end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
