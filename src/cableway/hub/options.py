"""What may be chosen for one subscription."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import field, frozen, validators

from cableway.types import MaybeAwaitable, Seconds, to_limit, to_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from attrs import Attribute

    from cableway.wire.message import Message

DEFAULT_MESSAGES = 10_000
DEFAULT_BYTES = 16 * 1024 * 1024


@frozen
class LatestBy:
    """The overflow policy made by :func:`latest_by`."""

    key: Callable[[Message[Any]], Hashable]


def latest_by(key: Callable[[Message[Any]], Hashable]) -> LatestBy:
    """Keep only the newest unread message of each key: for a scoreboard, a position, any value that replaces itself.

    A newer message takes the place of the unread one with the same key, so that keys keep their turn. *key* is called
    once a message, on the event loop: keep it quick. If it raises, the message is kept under a key of its own.

    Example:
        ``SubscriptionOptions(overflow=latest_by(lambda message: message.data["vehicle"]))``
    """
    return LatestBy(key)


NAMED_POLICIES = ("drop_oldest", "drop_newest", "error", "disconnect", "pause")

OverflowPolicy: TypeAlias = Literal["drop_oldest", "drop_newest", "error", "disconnect", "pause"] | LatestBy


def _known_policy(_: object, __: Attribute[Any], value: object) -> None:
    if not isinstance(value, LatestBy) and value not in NAMED_POLICIES:
        msg = f"overflow={value!r} is not a policy: choose one of {', '.join(NAMED_POLICIES)}, or latest_by(key)"
        raise ValueError(msg)


def _at_least_one(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        msg = f"{attribute.name}={value!r} is not a size: give a whole number of at least 1"
        raise ValueError(msg)


def _whole(_: object, attribute: Attribute[Any], value: object) -> None:
    if type(value) is not int:
        msg = f"{attribute.name}={value!r} is not a rank: give a whole number, 0 being that of all others"
        raise ValueError(msg)


def _interval(value: Seconds) -> float:
    return to_seconds(value, "whisper_every")


def _duration(value: Seconds) -> float:
    seconds = to_seconds(value, "confirm_timeout")
    if seconds == 0:
        msg = "confirm_timeout=0 leaves the server no time to answer: give more than 0 seconds"
        raise ValueError(msg)
    return seconds


def _age(value: Seconds | None) -> float | None:
    seconds = to_limit(value, "max_age")
    if seconds == 0:
        msg = "max_age=0 would have all data stale at once: give more than 0 seconds, or None"
        raise ValueError(msg)
    return seconds


def _life(value: Seconds) -> float:
    return to_seconds(value, "history_life")


def _moment(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is None or isinstance(value, timedelta) or (isinstance(value, datetime) and value.tzinfo is not None):
        return
    msg = (
        f"{attribute.name}={value!r} is no point in time: give an aware datetime, such as datetime(..., tzinfo=UTC), "
        f"or a timedelta for so long ago"
    )
    raise ValueError(msg)


def _function(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not callable(value):
        msg = f"{attribute.name}={value!r} is no function"
        raise ValueError(msg)


@frozen(kw_only=True)
class SubscriptionOptions:
    """What may be chosen for one subscription.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    overflow: OverflowPolicy = field(default="drop_oldest", validator=_known_policy)
    """What a full mailbox does with one more message:

    ``"drop_oldest"`` and ``"drop_newest"`` lose messages, count them and tell once an episode by a
    :class:`~cableway.MessagesDropped` event; ``latest_by(key)`` keeps the newest of each key; ``"error"`` raises
    :class:`~cableway.MailboxOverflow` from the iteration once what is unread was read; ``"disconnect"`` drops the line,
    and what does not fit is lost all the same; ``"pause"`` stops reading the socket, for a lone consumer that must not
    lose. All subscriptions of the cable wait with it, and a server cuts a reader that lags by a megabyte or so.
    """
    max_messages: int = field(default=DEFAULT_MESSAGES, validator=_at_least_one)
    """Unread messages that the mailbox holds."""
    max_bytes: int = field(default=DEFAULT_BYTES, validator=_at_least_one)
    """Bytes, as received, of unread messages that the mailbox holds."""
    priority: int = field(default=0, validator=_whole)
    """Who is asked for first when a line comes up: the highest numbers. At most 16 subscriptions are unconfirmed at a
    time, so that with thousands of them it takes a while until the last one is back."""
    retry_rejected: bool = False
    """Whether to ask again on every new line after a rejection. By default a rejection ends the wish."""
    confirm_timeout: float = field(default=5.0, converter=_duration)
    """Seconds to wait for the server's answer before the subscribe command is sent once more."""
    since: datetime | timedelta | None = field(default=None, validator=_moment)
    """Ask, when it is first subscribed, for what was published since: an aware datetime, or a timedelta, so long ago.

    The server counts in whole seconds, keeps so and so many messages for so and so long, and only AnyCable with a
    broker keeps any. A :class:`~cableway.Recovered` event tells how far it reached. Positions that were kept
    (``Cable(positions=...)``) come first.
    """
    gaps: Literal["heal", "announce"] = field(default="heal", validator=validators.in_(("heal", "announce")))
    """What follows where a message seems to be missing between two of a stream:

    ``"heal"`` holds those after it back, asks the server for it (at most once a second), and goes on in order;
    ``"announce"`` goes on at once. Either way a :class:`~cableway.Gap` event tells of it. A gap may be a message of
    your own that the back end kept away from you (``to_others``): where that is the rule, ``"announce"`` saves the
    wait, or ``is_own`` drops what comes back.
    """
    is_own: Callable[[Message[Any]], bool] | None = field(default=None, validator=_function)
    """Tells whether a message that came out of the server's history is an echo of your own; such are not delivered."""
    on_resync: Callable[[Any], MaybeAwaitable[object]] | None = field(default=None, validator=_function)
    """Called with the subscription when nobody can tell what was missed: load the present state by your own means.

    It is called when all messages from before have been read. Those that come after are kept until it has returned, or
    failed, or taken longer than a minute.
    """
    commit: Literal["receipt", "ack"] = field(default="receipt", validator=validators.in_(("receipt", "ack")))
    """When a message counts as seen for ``Cable(positions=...)``: as it comes, or with ``await message.ack()``."""
    max_age: float | None = field(default=None, converter=_age)
    """Seconds without a message, on a cable that is open, after which the data count as stale: a
    :class:`~cableway.Stale` event tells so, whatever the line does, and :class:`~cableway.Fresh` when messages come
    again."""
    published_at: Callable[[Message[Any]], datetime | float | None] | None = field(default=None, validator=_function)
    """Tells when a message was published, from its data: an aware datetime or Unix seconds. ``stats().lag`` is what it
    took to get here, by this machine's clock."""
    history_life: float = field(default=300.0, converter=_life)
    """Seconds for which the server keeps messages (``--history_ttl`` of AnyCable). What it is asked for later than that
    may be gone without a word, so it is reported as unknown."""
    whisper_every: float = field(default=0.0, converter=_interval)
    """Seconds, or a timedelta, for each of which one whisper goes at most; the latest wins. 0 lets all go."""


DEFAULT_OPTIONS = SubscriptionOptions()
