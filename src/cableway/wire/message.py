"""A message of a subscription."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from cableway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Message(Generic[T_co]):
    """A message of a subscription.

    Not an attrs class: one is made for each message received, and slots filled by hand cost a quarter of that.
    """

    __slots__ = ("_at", "data", "epoch", "offset", "on_ack", "replayed", "stream")

    data: T_co
    """What the server sent: any JSON value, falsy ones too."""
    stream: str | None
    """Name of the stream it came by, where the server tells (AnyCable with a broker)."""
    epoch: str | None
    """The server's era in which *offset* counts, where it tells."""
    offset: int | None
    """Place in the stream, where the server tells."""
    replayed: bool
    """Whether it came out of the server's history instead of live; one that came live while the history was being told
    may count as replayed, too, for nobody can tell the two apart."""
    on_ack: Callable[[], None]
    """What an acknowledgement does; set only where messages are acknowledged."""

    def __init__(
        self,
        data: T_co,
        at: float,
        *,
        stream: str | None = None,
        epoch: str | None = None,
        offset: int | None = None,
    ) -> None:
        self.data = data
        self.stream = stream
        self.epoch = epoch
        self.offset = offset
        self.replayed = False
        self._at = at

    @property
    def received_at(self) -> datetime:
        """When it was read from the network, by this machine's wall clock, in UTC."""
        return datetime.fromtimestamp(self._at, UTC)

    def with_data(self, data: T) -> Message[T]:
        """Return a copy that carries *data* instead."""
        copy = Message(data, self._at, stream=self.stream, epoch=self.epoch, offset=self.offset)
        copy.replayed = self.replayed
        return copy

    async def ack(self) -> None:
        """Say that you are done with this message, and with all before it in its stream: the next process begins after.

        It is kept when this returns. Where the server gives no positions (Rails, or AnyCable without a broker) there is
        nothing to keep, and this does nothing. Never waits, so it cannot be cancelled half-way.

        Raises:
            UsageError: The subscription counts messages as they come: give it ``commit="ack"``.
            PositionsFailed: It could not be saved; say it again with a later message.
        """
        on_ack = getattr(self, "on_ack", None)
        if on_ack is None:
            msg = "this message counts as seen already: give SubscriptionOptions(commit='ack') to say it yourself"
            raise UsageError(msg)
        on_ack()

    def __repr__(self) -> str:
        place = f" {self.stream}@{self.offset}" if self.offset is not None else ""
        return f"<Message {self.data!r}{place}>"
