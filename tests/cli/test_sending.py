"""A command is sent once and seen off."""

from __future__ import annotations

import pytest

from cableway import SubscriptionRejected
from cableway.cli.exits import Failure
from cableway.cli.running import Run
from cableway.cli.sending import see_off
from tests.scripted import background, line, settle

pytestmark = pytest.mark.looptime


async def test_what_was_sent_has_its_time_and_then_the_line_is_closed() -> None:
    """Only then the command has done its job; its story is told."""
    made = line()
    chat = made.cable.subscribe("Chat")
    run, told, calls = Run(), list[str](), list[str]()

    async def send() -> None:
        calls.append("sent")
        await chat.perform("speak")

    sending = background(see_off(made.cable, chat, run, send, unsure="who knows", tell=told.append))
    server = await made.welcome()
    assert calls == []
    server.confirm(chat.identifier)
    await settle()
    assert (calls, run.satisfied) == (["sent"], False)
    await sending

    assert run.satisfied
    assert server.closed_by_client is not None
    assert told[0].startswith("connecting to")


async def test_a_line_that_breaks_leaves_it_unsure() -> None:
    """It is not sent again: it may have arrived."""
    made = line()
    chat = made.cable.subscribe("Chat")
    run = Run()

    async def send() -> None:
        await chat.perform("speak")
        made.server.close(1006)
        await settle()

    sending = background(see_off(made.cable, chat, run, send, unsure="who knows", tell=None))
    (await made.welcome()).confirm(chat.identifier)
    with pytest.raises(Failure, match="who knows: the line was closed with code 1006"):
        await sending

    assert not run.satisfied


async def test_nothing_is_sent_to_who_refuses() -> None:
    """And the line is closed all the same."""
    made = line()
    chat = made.cable.subscribe("Chat")

    async def send() -> None:
        pytest.fail("it was rejected")

    sending = background(see_off(made.cable, chat, Run(), send, unsure="who knows", tell=None))
    server = await made.welcome()
    server.reject(chat.identifier)
    with pytest.raises(SubscriptionRejected):
        await sending

    assert server.over.is_set()
