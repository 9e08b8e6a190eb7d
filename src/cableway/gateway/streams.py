"""Who listens to which stream, and the message on its way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cableway.errors import MalformedFrame
from cableway.wire.codecs.json import dump_text, load
from cableway.wire.dialects.base_server import data_frame

if TYPE_CHECKING:
    from cableway.types import JSONValue


class Listener(Protocol):
    """One subscription that listens."""

    def hear(self, stream: str, broadcast: Broadcast) -> None:
        """Take what was published to *stream*. Must not raise."""


class Broadcast:
    """One message to many: encoded once, and composed once for each identifier, however many sessions share it."""

    __slots__ = ("_frames", "exclude", "text")

    def __init__(self, text: bytes, exclude: str | None = None) -> None:
        self.text: bytes = text
        """The message as JSON."""
        self.exclude: str | None = exclude
        """The id of the one session that must not get it."""
        self._frames: dict[str, bytes] = {}

    @property
    def value(self) -> JSONValue:
        """The message, read anew each time: nobody shares what somebody may change."""
        return load(self.text)

    def frame_for(self, identifier: str) -> bytes:
        """Compose the frame for all subscriptions named *identifier*."""
        frame = self._frames.get(identifier)
        if frame is None:
            frame = self._frames[identifier] = data_frame(dump_text(identifier).encode(), self.text)
        return frame


def broadcast_value(value: JSONValue) -> Broadcast:
    """Prepare any JSON value for delivery, exactly as it is.

    Raises:
        TypeError: It cannot be written as JSON.
        ValueError: It holds ``NaN``, an infinity or itself.
    """
    return Broadcast(dump_text(value).encode())


def broadcast_data(data: str, exclude: str | None = None) -> Broadcast:
    """Prepare the ``data`` text of a publication, as AnyCable does, for all but the session *exclude*.

    JSON becomes the value it stands for, so ``"42"`` arrives as a number; any other text stays text; and ``null``
    arrives as the *string* ``"null"``. Unlike there, keys keep their order and large integers every digit.
    """
    # Half a character, which JSON can escape and UTF-8 cannot write, becomes the sign for that, as in Go.
    whole = data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = whole.encode()
    return Broadcast(text if _is_value(text) else dump_text(whole).encode(), exclude)


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
