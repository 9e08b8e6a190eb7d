"""Who is present in a subscription, for threads and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.portal import Portal
    from cableway.subscription import Subscription
    from cableway.types import JSONValue, Seconds
    from cableway.wire.positions import Member


class Presence:
    """Who is present in one subscription; :class:`cableway.Presence`, whose calls block here."""

    def __init__(self, portal: Portal, subscription: Subscription[Any]) -> None:
        self._portal = portal
        self._presence = subscription.presence

    @property
    def members(self) -> Mapping[str, Member]:
        """The last known set, by id."""
        return self._portal.run(lambda: self._presence.members)

    @property
    def synced(self) -> bool:
        """Whether :attr:`members` is what the server has."""
        return self._portal.run(lambda: self._presence.synced)

    def join(self, id: str, info: JSONValue = None) -> None:  # noqa: A002 - the protocol's word
        """Be present as *id*; see :meth:`cableway.Presence.join`."""
        self._portal.call(self._presence.join, id, info)

    def leave(self) -> None:
        """Be present no more; see :meth:`cableway.Presence.leave`."""
        self._portal.call(self._presence.leave)

    def get(self, timeout: Seconds = 15.0) -> Mapping[str, Member]:
        """Ask the server who is there; see :meth:`cableway.Presence.get`."""
        return self._portal.call(self._presence.get, timeout)

    def total(self, timeout: Seconds = 15.0) -> int:
        """Ask the server how many are there; see :meth:`cableway.Presence.total`."""
        return self._portal.call(self._presence.total, timeout)

    def wait_for(self, who: str | Callable[[Member], bool], timeout: Seconds | None = None) -> Member:
        """Wait until somebody is present; see :meth:`cableway.Presence.wait_for`."""
        return self._portal.call(self._presence.wait_for, who, timeout)
