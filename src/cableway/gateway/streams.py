"""Who listens to which stream, and the message on its way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cableway.errors import MalformedFrame
from cableway.gateway.event_codec import EventCodec
from cableway.wire.codecs.json import JSONCodec, dump_text, load
from cableway.wire.dialects.base_server import data_frame

if TYPE_CHECKING:
    from cableway.types import JSONValue
    from cableway.wire.codecs.base import Codec
    from cableway.wire.positions import Position


class Listener(Protocol):
    """One subscription that listens."""

    def hear(self, stream: str, broadcast: Broadcast) -> None:
        """Take what was published to *stream*. Must not raise."""


class Broadcast:
    """One message to many: encoded once, and composed once for each identifier and encoding that sessions share."""

    __slots__ = ("_frames", "exclude", "kind", "position", "stream", "text", "transient")

    def __init__(
        self, text: bytes, exclude: str | None = None, *, kind: str | None = None, transient: bool = False
    ) -> None:
        self.text: bytes = text
        """The message as JSON."""
        self.exclude: str | None = exclude
        """The id of the one session that must not get it."""
        self.kind: str | None = kind
        """The type of its frames, where that is not the plain one of messages."""
        self.transient: bool = transient
        """Whether it is not to be kept."""
        self.stream: str = ""
        self.position: Position | None = None
        """Its place in the stream, once it was kept."""
        self._frames: dict[tuple[str, str], bytes] = {}

    @property
    def value(self) -> JSONValue:
        """The message, read anew each time: nobody shares what somebody may change."""
        return load(self.text)

    def place(self, stream: str, position: Position) -> None:
        """Learn where in its stream it is."""
        self.stream, self.position = stream, position

    def transformed(self, text: bytes) -> Broadcast:
        """Return the same message with another text."""
        other = Broadcast(text, self.exclude, kind=self.kind, transient=self.transient)
        other.stream, other.position = self.stream, self.position
        return other

    def frame_for(self, identifier: str, codec: Codec) -> bytes:
        """Compose the frame for all subscriptions named *identifier* that speak so."""
        key = (codec.name, identifier)
        frame = self._frames.get(key)
        if frame is None:
            compose = self._json_frame if isinstance(codec, JSONCodec) else self._frame
            frame = self._frames[key] = compose(identifier, codec)
        return frame

    def _json_frame(self, identifier: str, codec: Codec) -> bytes:
        kind = b"" if self.kind is None else b'"type":%b,' % dump_text(self.kind).encode()
        place = b""
        if self.position is not None:
            stream, epoch = dump_text(self.stream).encode(), dump_text(self.position.epoch).encode()
            place = b',"stream_id":%b,"epoch":%b,"offset":%d' % (stream, epoch, self.position.offset)
        frame = data_frame(dump_text(identifier).encode(), self.text, kind=kind, place=place)
        return codec.event(frame, self) if isinstance(codec, EventCodec) else frame

    def _frame(self, identifier: str, codec: Codec) -> bytes:
        mapping: dict[str, Any] = {} if self.kind is None else {"type": self.kind}
        mapping |= {"identifier": identifier, "message": self.value}
        if self.position is not None:
            at = self.position
            mapping |= {"stream_id": self.stream, "epoch": at.epoch, "offset": at.offset}
        return codec.encode(mapping)


def broadcast_value(
    value: JSONValue, *, exclude: str | None = None, kind: str | None = None, transient: bool = False
) -> Broadcast:
    """Prepare any JSON value for delivery, exactly as it is.

    Raises:
        TypeError: It cannot be written as JSON.
        ValueError: It holds ``NaN``, an infinity or itself.
    """
    return Broadcast(dump_text(value).encode(), exclude, kind=kind, transient=transient)


def broadcast_data(
    data: str, exclude: str | None = None, *, kind: str | None = None, transient: bool = False
) -> Broadcast:
    """Prepare the ``data`` text of a publication, as AnyCable does, for all but the session *exclude*.

    JSON becomes the value it stands for, so ``"42"`` arrives as a number; any other text stays text; and ``null``
    arrives as the *string* ``"null"``. Unlike there, keys keep their order and large integers every digit.
    """
    # Half a character, which JSON can escape and UTF-8 cannot write, becomes the sign for that, as in Go.
    whole = data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = whole.encode()
    return Broadcast(text if _is_value(text) else dump_text(whole).encode(), exclude, kind=kind, transient=transient)


def _is_value(text: bytes) -> bool:
    try:
        return load(text) is not None
    except MalformedFrame:
        return False


class Streams:
    """Streams by name, each with its listeners in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[Listener, None]] = {}

    def attach(self, stream: str, listener: Listener) -> None:
        """Let *listener* hear *stream*, from now on and once a message."""
        self._listeners.setdefault(stream, {})[listener] = None

    def detach(self, stream: str, listener: Listener) -> None:
        """Let *listener* hear *stream* no more."""
        listeners = self._listeners.get(stream)
        if listeners is not None:
            listeners.pop(listener, None)
            if not listeners:
                del self._listeners[stream]

    def publish(self, stream: str, broadcast: Broadcast) -> None:
        """Give *broadcast* to all who listen, in one go, so that a stream keeps its order."""
        for listener in list(self._listeners.get(stream, ())):
            listener.hear(stream, broadcast)

    def __len__(self) -> int:
        return len(self._listeners)
