"""Whether whispers arrive."""

from __future__ import annotations

import pytest

from cableway import NotSupported, SubscriptionRejected
from tests.extended import extended
from tests.scripted import background, connected, settle

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("passes", [True, False])
async def test_a_second_line_listens(monkeypatch: pytest.MonkeyPatch, passes: bool) -> None:  # noqa: FBT001 - a case
    """It is closed afterwards, whatever came of it; other messages are not taken for the whisper."""
    async with extended() as made:
        chat = await made.live()
        asking = background(chat.whispers_pass({"probe": 1}))
        second = await made.transport.accept()
        second.welcome()
        await settle()
        assert [command["command"] for command in second.received] == ["subscribe"]
        assert made.server.received == []
        second.confirm(chat.identifier)
        second.message(chat.identifier, {"probe": 2})
        await settle()
        assert [command["command"] for command in made.server.received] == ["whisper"]
        if passes:
            second.message(chat.identifier, {"probe": 1})
        assert await asking is passes
        await settle()
        assert second.over.is_set()
        assert not made.server.over.is_set()
        assert chat.take() == []


async def test_what_keeps_it_from_listening_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal, or a server that says nothing: whether whispers pass is not known."""
    async with extended() as made:
        chat = await made.live()
        asking = background(chat.whispers_pass(1))
        second = await made.transport.accept()
        second.welcome()
        second.reject(chat.identifier)
        with pytest.raises(SubscriptionRejected):
            await asking
        silent = background(chat.whispers_pass(1))
        third = await made.transport.accept()
        with pytest.raises(TimeoutError, match="not known"):
            await silent
        await settle()
        assert third.over.is_set()


async def test_cancelled_it_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second line is gone, the first one as it was."""
    async with extended() as made:
        chat = await made.live()
        asking = background(chat.whispers_pass(1))
        second = await made.transport.accept()
        second.welcome()
        await settle()
        asking.cancel()
        await settle()
        assert asking.cancelled()
        assert second.over.is_set()
        await chat.whisper(2)


async def test_a_base_line_has_no_whispers() -> None:
    """No second line is dialled for that."""
    async with connected() as made:
        chat = await made.live()
        with pytest.raises(NotSupported):
            await chat.whispers_pass(1)
        assert made.cable.stats().dials == 1
