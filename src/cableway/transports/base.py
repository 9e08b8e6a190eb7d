"""The seam between the engine and the network.

A :class:`Transport` is a recipe: it holds options and opens lines. A :class:`Connection` is one open line. The engine
hands a :class:`Sink` in; the connection pushes what arrives into it, a batch a read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import Factory, field, frozen

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence


@frozen
class DialRequest:
    """Where and how to dial: everything that may differ from one dial to the next."""

    url: str = field(repr=False)
    """``ws``, ``wss``, ``http`` or ``https``, its query complete. May hold secrets: never print it as it is."""
    subprotocols: Sequence[str] = field(default=(), repr=False)
    """To be offered, in this order. May hold a secret: a token can travel as one of them."""
    headers: Mapping[str, str] = field(default=Factory(dict), repr=False)
    """Extra request headers, names and values already checked. May hold secrets."""
    origin: str | None = None
    ssl: ssl.SSLContext | None = None
    """``None``: the system's certificates, for addresses that ask for TLS."""
    proxy: str | bool | None = field(default=True, repr=False)
    """``True``: from the environment. ``None`` or ``False``: none. A str: this one. May hold secrets."""
    timeout: float = 10.0
    """Seconds for each of: reaching the host, and completing the handshake."""


class Sink(Protocol):
    """Takes what a connection received. Called on the event loop, never concurrently."""

    def frames(self, batch: list[bytes]) -> None:
        """Take whole messages, in order, as owned bytes. Must neither block nor raise.

        An empty batch tells of an answer, on a line that is made of requests: the server lives, and all that the
        answer held was told before. The connection may have an attribute ``server_time`` then: the server's Unix time
        at which it had nothing more to say.
        """

    def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
        """Learn that the line is gone; called once, last, whoever ended it.

        *code* and *reason* are those of the close frame the server sent; ``None`` and ``""`` if none came.
        """


class Connection(Protocol):
    """One open line. It is handed over paused: nothing reaches the sink before the first :meth:`resume`.

    One on which commands do not go at once may have an attribute ``command_latency``: the seconds that they wait at
    most. Answers are given that much more time. One on which messages wait to be fetched may have ``message_latency``:
    the seconds that a message under way may take to be told. One that can tell how many bytes have left it so far may
    have ``written``: a line on which that grows is slow, and is not taken for dead. One with ``jammed`` says so while
    commands wait for longer than that, or did a moment ago: answers that are due are waited for anew.
    One that keeps commands until the server has taken them may have ``untaken``: how many these are; the line after it
    waits with its own until there are none.
    """

    @property
    def subprotocol(self) -> str | None:
        """The name the server selected, ``None`` if it selected none."""
        ...

    @property
    def response_headers(self) -> Mapping[str, str]:
        """Headers of the response that opened the line; names in lower case."""
        ...

    @property
    def last_received(self) -> float:
        """The loop's time when a byte last came: part of a big frame is a sign of life, too."""
        ...

    def send(self, frame: bytes) -> None:
        """Write one message, as text or not, as the selected subprotocol has it.

        Buffers; never blocks. Does nothing once the line is gone.
        """

    async def drain(self) -> None:
        """Wait until the buffer is low enough to send more, or the line is gone. Cancelling it loses nothing."""

    def pause(self) -> None:
        """Stop reading. May be called again; one batch may still follow."""

    def resume(self) -> None:
        """Read on. May be called again."""

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        """Say goodbye, wait at most *timeout* seconds for the answer, and be gone. May be called again.

        Cancelled, it drops the line at once.
        """

    def abort(self) -> None:
        """Be gone at once, without a word. May be called again."""


class Transport(Protocol):
    """A way to open lines. One object may open many, one after another or at once.

    One that cannot carry commands of any size may have an attribute ``max_command_size``, in bytes, and one that can
    only subscribe and listen the attribute ``sends = False``, as do its connections. One with ``text_only = True`` is
    left out of a chain where a binary protocol is to be spoken.
    """

    @property
    def name(self) -> str:
        """A short word for people: ``websocket``, ``memory``."""
        ...

    async def open(self, request: DialRequest, sink: Sink) -> Connection:
        """Open one line, paused. Cancelled, it leaves nothing open.

        Raises:
            ConnectError: One of its subclasses, which tells what went wrong.
        """
        ...
