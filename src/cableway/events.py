"""What happens to a cable and to its subscriptions, one immutable value an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cableway.redact import redact_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.errors import CableError, SubscriptionTimeout
    from cableway.states import Recovery
    from cableway.wire.positions import Member


@frozen
class Event:
    """Root of all events; ``cable.on(Event, callback)`` hears every one."""


@frozen
class Connecting(Event):
    """A dial begins."""

    attempt: int
    """1 for the first dial, counted on while dials fail."""
    address: str
    """Where to, secrets cut out."""
    transport: str = ""
    """By which transport, such as ``websocket``."""


@frozen
class Connected(Event):
    """Of a cable: the server welcomed us. Of a subscription: the server confirmed it."""

    reconnected: bool
    """Whether this cable, or this handle, had been connected before."""
    transport: str = ""
    """The transport that carries the line, such as ``websocket``."""
    protocol: str = ""
    """The dialect that is live, such as ``actioncable-v1-json``."""


@frozen
class Disconnected(Event):
    """The line is down. It comes back by itself unless a :class:`Closed` follows."""

    error: CableError | None
    """What ended the line, or made the dial fail."""


@frozen
class RetryScheduled(Event):
    """The next dial has a time."""

    delay: float
    """Seconds from now."""
    attempt: int
    """Number of the dial to come, 1 being the first of the series."""
    error: CableError | None


@frozen
class Dormant(Event):
    """The cable is open, and deliberately without a line until one is wanted."""


@frozen
class Demanded(Event):
    """Somebody needs the line of a dormant cable."""

    reason: str
    """What for, in the words of whoever asked."""


@frozen
class TokenRenewed(Event):
    """A token came from its source."""

    life: float | None
    """Seconds that it lives, as far as is known."""
    first: bool
    """Whether it is the first one, and takes the place of none."""


@frozen
class TokenRenewalFailed(Event):
    """The source of tokens gave none. It is asked again; the line stays as it is."""

    error: CableError
    expired: bool
    """Whether no living token is left: dials wait for one."""
    retry_in: float | None
    """Seconds until the source is asked again; ``None`` if it said that it will never give one."""


@frozen
class HandedOver(Event):
    """A new line took the place of the one before it, while that was still up."""

    recovery: Recovery
    """What became of the messages around the seam."""


WORKS_AGAIN = "works again"
"""How the reason ends where the change is one for the better."""


@frozen
class TransportChanged(Event):
    """Another transport carries the line than the one before; of the first line, than the one that was to."""

    previous: str
    """The transport before, such as ``websocket``."""
    transport: str
    """The one that carries the line now, such as ``long_polling``."""
    reason: str
    """Why, in words: what the one before failed with, or that the better one works again."""


@frozen
class Closed(Event):
    """The cable is closed and will not dial by itself."""

    error: CableError | None
    """The final failure, ``None`` when the user closed it."""


@frozen
class ServerErrorReceived(Event):
    """The server sent a frame of type ``error``."""

    fields: Mapping[str, Any]


@frozen
class ServerMisbehaved(Event):
    """Frames that are no protocol arrived; told once an episode, counted in ``stats()``."""

    rule: str


@frozen
class Rejected(Event):
    """The server refused a subscription, or took it back."""

    identifier: str = field(repr=redact_identifier)
    revoked: bool
    """Whether it had been confirmed before."""


@frozen
class ConfirmationTimedOut(Event):
    """The server did not answer a subscribe command. It is tried again in the background."""

    error: SubscriptionTimeout


@frozen
class MessagesDropped(Event):
    """A mailbox overflowed; told once an episode, counted in ``stats()``."""

    identifier: str = field(repr=redact_identifier)
    policy: str
    dropped: int
    """Messages lost so far by this handle."""


NO_PAST = "has no past to ask for"
"""How the reason of a :class:`Recovered` ends where that is so of the protocol: no news, and no trouble."""


@frozen
class Recovered(Event):
    """A subscription that is confirmed again has been told what it missed, as far as the server could tell."""

    recovery: Recovery
    replayed: int
    """Messages that came out of the server's history."""
    reason: str = ""
    """Why it is unknown whether that was all; empty if it was."""


@frozen
class Gap(Event):
    """Messages of a stream were missing between others."""

    stream: str
    epoch: str
    first: int
    """Offset of the first one that was missing."""
    last: int
    """Offset of the last one."""
    healed: bool
    """Whether they were fetched, and delivered in their place. If not, they are lost, or were your own."""


@frozen
class Stale(Event):
    """No message of a subscription has come for longer than its ``max_age``, whatever the line does."""

    age: float
    """Seconds since the last message, or since the subscription was made."""


@frozen
class Fresh(Event):
    """A message has come on a subscription that was :class:`Stale`."""

    age: float
    """Seconds between it and the message before."""


@frozen
class PositionsNotSaved(Event):
    """Where a subscription is could not be saved, or where it left off could not be read.

    A save is tried again with the next message, and told once an episode. What cannot be read is told once: the
    subscription begins without a past.
    """

    error: BaseException


@frozen
class CallbackFailed(Event):
    """A callback of yours raised. The others were called all the same."""

    callback: str
    error: BaseException


@frozen
class NamingFailed(Event):
    """The function that names a stream failed. It is asked again after a while."""

    error: BaseException


@frozen
class PresenceJoined(Event):
    """Somebody is present who was not before, as far as was known."""

    member: Member


@frozen
class PresenceLeft(Event):
    """Somebody is present no more."""

    member: Member
    """With the info that was known of them, if any."""


@frozen
class PresenceSynced(Event):
    """The set of those present is what the server has; who came and went meanwhile was told just before."""

    members: tuple[Member, ...]


@frozen
class PresenceUnavailable(Event):
    """Presence does not work on this line at the moment. A join stays remembered, for a line that has it."""

    reason: str
    """Why, and the way out."""


@frozen
class ShardEvent(Event):
    """Something happened to the cable of one shard."""

    shard: str
    event: Event


@frozen
class SubscriptionMoved(Event):
    """A subscription is on another shard from now on. Its handle, and what is unread, stay as they are."""

    identifier: str = field(repr=redact_identifier)
    source: str
    """The shard that it left."""
    target: str
    """The shard that carries it now."""


@frozen
class MoveFailed(Event):
    """A subscription could not move to the shard that it belongs to. It stays where it is, and tries again."""

    identifier: str = field(repr=redact_identifier)
    source: str
    target: str
    """The shard that did not take it; empty if none is left that could."""
    error: Exception
    delay: float
    """Seconds until the next try."""
