"""What a subscription is called, and the topic that decides about its shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.types import JSONValue


class Topics:
    """Gives the topic of each subscription: the one given with it, else a function's, else the identifier."""

    def __init__(self, function: Callable[[str, Mapping[str, JSONValue]], str | None] | None) -> None:
        if function is not None and not callable(function):
            msg = f"topic={function!r} is no function: give one that takes the channel's name and parameters"
            raise UsageError(msg)
        self._function = function

    def of(self, given: str | None, channel: str, params: Mapping[str, JSONValue], identifier: str) -> str:
        """Return the topic of the subscription *identifier*.

        Raises:
            UsageError: What was given, or the function's answer, is no string.
        """
        topic = checked_topic(given)
        if not topic and self._function is not None:
            topic = checked_topic(self._function(channel, params))
        return topic or identifier


def checked_topic(topic: str | None) -> str | None:
    """Return *topic*, if it can be one."""
    if topic is not None and not isinstance(topic, str):
        msg = f"topic={topic!r} is not a topic: give a string, or None for the identifier"
        raise UsageError(msg)
    return topic
