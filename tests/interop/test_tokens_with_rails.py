"""Tokens that live for four seconds, on lines to a real Rails server whose connection checks them.

In which order messages come is not looked at: Action Cable has each written by whichever of its threads is free.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cableway import (
    Cable,
    Disconnected,
    HandedOver,
    Recovery,
    RetryScheduled,
    State,
    TokenRenewal,
    TokenRenewalFailed,
    Unauthorized,
    in_header,
    in_query,
)
from tests.interop.peers.rails import MEMBERS
from tests.interop.peers.relay import Relay
from tests.interop.peers.tokens import Issuer, Place, come_back_each_time, hear_across_renewals
from tests.interop.peers.waiting import LIMIT, in_thread, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.peers.rails import Rails

BEARER = in_header("Authorization", "Bearer")
GARBAGE = "not.a.token"


@pytest.fixture
async def refusals(rails: Rails) -> Callable[[], list[str]]:
    """Tells each line of the server's log, from the test's begin on, about somebody who was turned away."""
    before = -1
    # What the server writes about the test before this one may come late.
    while before != (before := len(rails.server.logged())):  # noqa: ASYNC110 - a file of another process
        await asyncio.sleep(0.5)
    return lambda: [line for line in rails.server.logged(before).splitlines() if "unauthorized connection" in line]


def place(rails: Rails, refusals: Callable[[], list[str]], port: int = 0) -> Place:
    """Return a room of the server, or of the same behind another port."""
    return Place(
        members(port or rails.port),
        BEARER,
        rails.secret,
        lambda cable: cable.subscribe("RoomChannel", room="members"),
        lambda value: rails.broadcast("room:members", value),
        refusals,
    )


def members(port: int) -> str:
    """Return the address for those who have tokens."""
    return f"ws://127.0.0.1:{port}{MEMBERS}"


async def test_short_lived_tokens_outlast_cuts(rails: Rails, refusals: Callable[[], list[str]], tmp_path: Path) -> None:
    """Cut every few seconds, two lines with one source come back each time, by header and by query."""
    relay = Relay(rails.port, tmp_path)
    relay.start()
    try:
        await come_back_each_time(place(rails, refusals, relay.port), relay, [BEARER, in_query("jwt")])
    finally:
        relay.kill()


async def test_handed_over_without_a_gap(rails: Rails, refusals: Callable[[], list[str]]) -> None:
    """With each renewal another line takes over; no message is lost, and each seam is announced.

    At a seam some may come twice: messages without positions do not tell whether two are the same.
    """
    heard = await hear_across_renewals(place(rails, refusals), TokenRenewal(on_renewal="hand_over"), 5)
    assert heard.missing == []
    assert heard.times(HandedOver) == 5
    assert {event.recovery for event in heard.events if isinstance(event, HandedOver)} == {Recovery.UNKNOWN}
    assert heard.times(Disconnected) == heard.times(TokenRenewalFailed) == 0
    assert refusals() == []
    heard.issuer.check_asked_as_planned()


async def test_reconnected_by_choice(rails: Rails, refusals: Callable[[], list[str]]) -> None:
    """With each renewal the line is dialled anew; nothing comes twice."""
    heard = await hear_across_renewals(place(rails, refusals), TokenRenewal(on_renewal="reconnect"), 4)
    assert heard.times(Disconnected) == 4
    assert {event.error for event in heard.events if isinstance(event, Disconnected)} == {None}
    assert heard.doubled == []
    assert refusals() == []
    heard.issuer.check_asked_as_planned()


async def test_refused_tokens_are_replaced(rails: Rails, refusals: Callable[[], list[str]]) -> None:
    """One that makes no sense and one that was signed by somebody else are replaced by a good one."""
    issuer = Issuer(rails.secret, GARBAGE, Issuer(rails.secret[::-1])())
    events: list[RetryScheduled] = []
    cable = Cable(members(rails.port), token=issuer, token_as=BEARER)
    cable.on(RetryScheduled, events.append)
    async with cable, cable.subscribe("EchoChannel") as echo:
        await echo.perform("echo", text="here")
        assert (await echo.receive(timeout=LIMIT)).data == {"text": "here"}
    assert len(issuer.asked) == 3
    assert len(refusals()) == 2
    assert [getattr(event.error, "reason", None) for event in events] == ["unauthorized"] * 2


async def test_a_source_of_nonsense_is_given_up(rails: Rails, refusals: Callable[[], list[str]]) -> None:
    """After three refusals in a row the cable is closed, for a reason that says what was tried."""
    issuer = Issuer(rails.secret, *(f"{GARBAGE}.{number}" for number in range(9)))
    cable = Cable(members(rails.port), token=issuer, token_as=BEARER)
    with pytest.raises(Unauthorized, match=r"Tried: 3 tokens in a row from the function") as told:
        await cable.open()
    assert cable.state is State.CLOSED
    assert len(refusals()) == len(issuer.asked) == 3
    assert GARBAGE not in str(told.value)


async def test_a_fixed_token_that_is_refused_is_final(rails: Rails, refusals: Callable[[], list[str]]) -> None:
    """With nobody to ask for another one, the first refusal is the end."""
    cable = Cable(members(rails.port), token=Issuer(rails.secret[::-1])(), token_as=in_query("jwt"))
    with pytest.raises(Unauthorized, match="cannot be renewed"):
        await cable.open()
    assert len(refusals()) == 1


async def test_the_user_can_be_dropped_and_comes_back(rails: Rails, refusals: Callable[[], list[str]]) -> None:
    """The server drops the lines of the one whom the token names; they come back with the same token."""
    issuer = Issuer(rails.secret, life=600)
    lost: list[Disconnected] = []
    cable = Cable(members(rails.port), token=issuer, token_as=BEARER)
    cable.on(Disconnected, lost.append)
    async with cable, cable.subscribe("EchoChannel") as echo:
        await in_thread(rails.disconnect, "7")
        await until(lambda: bool(lost), "the line is dropped")
        await echo
        await echo.perform("echo", text="back")
        assert (await echo.receive(timeout=LIMIT)).data == {"text": "back"}
    assert len(issuer.asked) == 1
    assert refusals() == []
