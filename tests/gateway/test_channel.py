"""Channels as classes: names, actions, timers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cableway.errors import UsageError
from cableway.gateway import Channel, action, periodically
from cableway.gateway.channel import Timer, takes_data


class ChatChannel(Channel):
    @action
    async def speak(self, data: dict[str, Any]) -> None:
        """Say something."""

    @action(name="shout!")
    def shout(self) -> None:
        """Say it loudly."""

    async def helper(self) -> None:
        """Not for clients."""

    @periodically(timedelta(seconds=5))
    async def tick(self) -> None:
        """Run now and then."""


def test_a_channel_is_called_as_its_class_unless_named() -> None:
    """A name of its own is not inherited, for two channels cannot share one."""

    class Named(Channel):
        name = "chat/v2"

    class Sub(Named):
        pass

    assert ChatChannel.name == "ChatChannel"
    assert Named.name == "chat/v2"
    assert Sub.name == "Sub"


def test_only_what_is_marked_can_be_called() -> None:
    """Neither helpers nor the framework's own methods are actions."""
    assert ChatChannel.actions == {"speak": "speak", "shout!": "shout"}
    assert Channel.actions == {}


def test_actions_and_timers_are_inherited() -> None:
    """A base class of one's own brings its actions along."""

    class Sub(ChatChannel):
        @action
        def more(self) -> None:
            """Add one."""

    assert set(Sub.actions) == {"speak", "shout!", "more"}
    assert Sub.timers == (Timer("tick", 5.0),)


def test_what_is_overridden_without_a_mark_is_no_action_any_more() -> None:
    """Who takes the mark off takes the method off the wire."""

    class Sub(ChatChannel):
        async def speak(self, data: dict[str, Any]) -> None:
            """Not for clients any more."""

    assert set(Sub.actions) == {"shout!"}


def test_a_private_name_cannot_be_an_action() -> None:
    """An underscore says that it is not for others."""
    with pytest.raises(UsageError, match="underscore are private"):

        @action
        def _secret(self: Any) -> None:
            """Do something."""

    with pytest.raises(UsageError, match="'_x' cannot be an action"):
        action(name="_x")(lambda: None)


@pytest.mark.parametrize("every", [0, -1, float("nan")])
def test_a_timer_needs_a_duration(every: float) -> None:
    """Zero would never let anything else run."""
    with pytest.raises(ValueError, match="every="):
        periodically(every)


def test_an_action_may_take_the_data_or_nothing() -> None:
    """It is told by the signature."""
    assert takes_data(lambda data: data)
    assert takes_data(lambda *all_of_it: all_of_it)
    assert not takes_data(lambda: None)
    assert not takes_data(lambda **named: named)
