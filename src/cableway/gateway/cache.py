"""Sessions that can be asked back: by their id, while they are connected and for some time after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.gateway.channel import Channel
    from cableway.gateway.subscription import Listening
    from cableway.types import JSONValue


@frozen
class KeptChannel:
    """A subscription as it was."""

    kind: type[Channel]
    params: Mapping[str, JSONValue]
    attributes: Mapping[str, Any]
    """The channel's own, by name."""
    listening: Listening


@frozen
class KeptSession:
    """A session as it was. Whoever has its id is let in as who it was."""

    identifiers: str
    claims: Mapping[str, JSONValue] | None
    channels: Mapping[str, KeptChannel]
    """By identifier."""


@define
class _Entry:
    take: Callable[[], KeptSession]
    deadline: float | None = field(default=None)


class SessionCache:
    """The sessions of one gateway, for *life* seconds after each is gone; 0: none is kept."""

    def __init__(self, life: float) -> None:
        self._life = life
        self._entries: dict[str, _Entry] = {}

    def begin(self, sid: str, take: Callable[[], KeptSession]) -> None:
        """A session has begun; *take* tells what it is like at any time."""
        if self._life > 0:
            self._entries[sid] = _Entry(take)

    def end(self, sid: str, now: float) -> None:
        """A session is gone; it can be asked back, as it is at this moment, any number of times."""
        entry = self._entries.get(sid)
        if entry is not None and entry.deadline is None:
            kept = entry.take()
            self._entries[sid] = _Entry(lambda: kept, now + self._life)

    def find(self, sid: str, now: float) -> KeptSession | None:
        """Return the session *sid*, ``None`` if there is none any more."""
        entry = self._entries.get(sid)
        if entry is None or (entry.deadline is not None and now > entry.deadline):
            return None
        return entry.take()

    def expire(self, now: float) -> None:
        """Forget those whose time is over."""
        for sid, entry in list(self._entries.items()):
            if entry.deadline is not None and now > entry.deadline:
                del self._entries[sid]
