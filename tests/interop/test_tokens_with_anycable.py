"""Tokens that live for four seconds, on lines to a real AnyCable server that lets nobody in without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cableway import (
    Cable,
    Closed,
    Disconnected,
    HandedOver,
    Recovery,
    RetryScheduled,
    State,
    TokenRenewal,
    TokenRenewalFailed,
    TokenRenewed,
    Unauthorized,
    in_header,
    in_query,
    in_subprotocol,
)
from cableway.auth.jwts import sign_claims
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.relay import Relay
from tests.interop.peers.tokens import Issuer, Place, come_back_each_time, hear_across_renewals
from tests.interop.peers.waiting import LIMIT, in_thread, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable

SECRET = "a secret of the tests that is long enough for HS256"
GARBAGE = "not.a.token"


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[AnyCable]:
    """A server that demands tokens, and logs whom it lets in."""
    yield from anycable_peer.running(tmp_path, "--debug", secret=SECRET)


def place(strict: AnyCable, url: str = "") -> Place:
    """Return a stream of the server, or of the same behind another address."""
    return Place(
        url or strict.url,
        in_header(),
        strict.secret,
        lambda cable: cable.stream("news"),
        lambda value: strict.publish("news", value),
        strict.refusals,
    )


async def test_short_lived_tokens_outlast_cuts(strict: AnyCable, tmp_path: Path) -> None:
    """Cut every few seconds, three lines with one source come back each time, whichever way the token travels."""
    relay = Relay(strict.port, tmp_path)
    relay.start()
    try:
        await come_back_each_time(place(strict, relay.url), relay, [in_header(), in_query(), in_subprotocol()])
    finally:
        relay.kill()


async def test_handed_over_without_a_gap(strict: AnyCable) -> None:
    """With each renewal another line takes over; no message is lost, and each seam is announced.

    At a seam some may come twice: messages without positions do not tell whether two are the same.
    """
    heard = await hear_across_renewals(place(strict), TokenRenewal(on_renewal="hand_over"), 5)
    assert heard.missing == []
    assert heard.times(HandedOver) == 5
    assert {event.recovery for event in heard.events if isinstance(event, HandedOver)} == {Recovery.COMPLETE}
    assert heard.times(Disconnected) == heard.times(TokenRenewalFailed) == 0
    assert strict.refusals() == []
    heard.issuer.check_asked_as_planned()


async def test_reconnected_by_choice(strict: AnyCable) -> None:
    """With each renewal the line is dialled anew; nothing comes twice, or in another order."""
    heard = await hear_across_renewals(place(strict), TokenRenewal(on_renewal="reconnect"), 4)
    assert heard.times(Disconnected) == 4
    assert {event.error for event in heard.events if isinstance(event, Disconnected)} == {None}
    assert heard.numbers == sorted(set(heard.numbers))
    assert strict.refusals() == []
    heard.issuer.check_asked_as_planned()


async def test_kept_for_the_next_dial(strict: AnyCable) -> None:
    """Left alone, a line outlives its token, and notices nothing of the renewals."""
    heard = await hear_across_renewals(place(strict), TokenRenewal(), 3)
    assert heard.times(TokenRenewed) >= 3
    assert heard.times(Disconnected) == heard.times(HandedOver) == 0
    assert heard.numbers == list(range(heard.sent))
    heard.issuer.check_asked_as_planned()


async def test_refused_tokens_are_replaced(strict: AnyCable) -> None:
    """Two tokens that make no sense are replaced by the third, which the server takes."""
    issuer = Issuer(strict.secret, GARBAGE, GARBAGE + "s")
    events: list[RetryScheduled] = []
    cable = Cable(strict.url, token=issuer)
    cable.on(RetryScheduled, events.append)
    async with cable, cable.stream("news") as news:
        await in_thread(strict.publish, "news", "here")
        assert (await news.receive(timeout=LIMIT)).data == "here"
    assert len(issuer.asked) == 3
    assert len(strict.refusals()) == 2
    assert [getattr(event.error, "reason", None) for event in events] == ["unauthorized"] * 2


async def test_a_source_of_nonsense_is_given_up(strict: AnyCable) -> None:
    """After three refusals in a row the cable is closed, for a reason that says what was tried."""
    issuer = Issuer(strict.secret, *(f"{GARBAGE}.{number}" for number in range(9)))
    closed: list[Closed] = []
    cable = Cable(strict.url, token=issuer)
    cable.on(Closed, closed.append)
    with pytest.raises(Unauthorized, match=r"Tried: 3 tokens in a row from the function") as told:
        await cable.open()
    assert cable.state is State.CLOSED
    assert [event.error for event in closed] == [told.value]
    assert len(strict.refusals()) == len(issuer.asked) == 3
    assert GARBAGE not in str(told.value)


async def test_revoked_tokens_are_replaced(strict: AnyCable) -> None:
    """The server comes back with another secret: the living token is worth nothing, and the next one opens the line."""
    issuer = Issuer(strict.secret, life=600)
    lost: list[Disconnected] = []
    async with Cable(strict.url, token=issuer) as cable, cable.stream("news") as news:
        cable.on(Disconnected, lost.append)
        await in_thread(strict.server.kill)
        await until(lambda: cable.state is not State.CONNECTED, "the loss is noticed")
        issuer.secret = strict.secret = SECRET[::-1]
        await in_thread(strict.start)
        await news
        await in_thread(strict.publish, "news", "back")
        assert (await news.receive(timeout=LIMIT)).data == "back"
    assert len(issuer.asked) == 2
    assert len(strict.refusals()) == 1


async def test_a_token_without_ext_is_explained(strict: AnyCable) -> None:
    """The server closes without a word; what the user sees names the claim that the token lacks."""
    lacking = sign_claims({"exp": 4_102_444_800}, SECRET, "HS256")
    issuer = Issuer(strict.secret, lacking)
    events: list[RetryScheduled] = []
    cable = Cable(strict.url, token=issuer, open_timeout=4)
    cable.on(RetryScheduled, events.append)
    with pytest.raises(Exception, match="claim ext") as told:
        await cable.open()
    assert "1011" in str(events[0].error)
    assert lacking not in str(told.value) + repr(told.value) + str(events)
