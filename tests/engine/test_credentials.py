"""The token of one cable: in each dial, judged by what the server says, renewed while the line is wanted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import (
    Closed,
    Disconnected,
    Dormant,
    LineClosed,
    ManualMonitor,
    State,
    StaticToken,
    TokenRenewed,
    Unauthorized,
    in_header,
    in_query,
)
from cableway.auth.carriage import in_subprotocol
from cableway.auth.jwts import sign_claims
from cableway.auth.minting import claims_of
from tests.issuing import EPOCH, SECRET, Issuer, mint, server_time, staged
from tests.scripted import line, settle

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize(
    ("carriage", "found"),
    [
        (None, lambda request: request.headers["x-jid"]),
        (in_header("Authorization", "Bearer"), lambda request: request.headers["Authorization"].split("Bearer ")[1]),
        (in_query("jid"), lambda request: request.url.split("jid=")[1]),
        (in_subprotocol(), lambda request: request.subprotocols[-1].removeprefix("anycable-token.")),
    ],
    ids=["default", "header", "query", "subprotocol"],
)
async def test_a_token_travels_as_was_chosen(carriage: Any, found: Any) -> None:
    """Each dial carries it, beside what the user has given."""
    made = line(token="the-token", token_as=carriage or in_header(), headers={"X-Mine": "1"})
    server = await made.connect()
    assert found(server.request) == "the-token"
    assert server.request.headers["X-Mine"] == "1"
    await made.cable.close()


async def test_without_a_source_nothing_is_added() -> None:
    """And nothing is asked of a server's clock."""
    made = line()
    server = await made.connect()
    assert server.request.headers == {}
    server.send({"type": "ping", "message": 10**400})
    await settle()
    assert made.cable.state is State.CONNECTED
    await made.cable.close()


@pytest.mark.parametrize("message", [10**400, -(10**400), 1e300, -1.0, 0, True, None, "soon", [1]])
async def test_a_ping_that_tells_no_time_harms_nobody(message: Any) -> None:
    """Whatever a server puts into it, the line goes on."""
    async with staged() as scene:
        await scene.cable.open()
        scene.backend.talks[0].line.send({"type": "ping", "message": message})
        await asyncio.sleep(1)
        assert scene.cable.state is State.CONNECTED
        assert scene.told(Disconnected) == []


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
async def test_pings_tell_the_server_s_time(unit: float) -> None:
    """In whatever unit: a token is renewed by that clock, not by what its claims or our clock say."""
    # Issued half an hour ago, good for ten minutes more by the server's clock: the claims alone would say forty.
    old = sign_claims({"ext": "{}", "iat": int(EPOCH) - 1800, "exp": int(EPOCH) + 600}, SECRET, "HS256")
    values = [old]

    def source() -> str:
        return values.pop() if values else mint(3600)

    made = line(token=source)
    server = await made.connect()
    for _ in range(250):
        server.send({"type": "ping", "message": int(server_time() * unit)})
        await asyncio.sleep(3)
    told = [event for event in made.events if isinstance(event, TokenRenewed)]
    assert [event.first for event in told] == [True, False]
    await made.cable.close()


@pytest.mark.parametrize(
    ("date", "offset"),
    [("Fri, 15 Jan 2027 08:00:00 GMT", 0), ("Fri, 15 Jan 2027 08:00:00 -0000", 0), ("yesterday", None), ("", None)],
)
async def test_the_answer_s_date_tells_the_server_s_time(date: str, offset: float | None) -> None:
    """A date without a zone is GMT, whatever this machine's zone is; junk is no time."""
    made = line(token=lambda: "token")
    await made.connect()
    made.cable._engine.credentials.answered({"date": date})
    renewer = made.cable._engine.credentials._renewer
    assert renewer is not None
    clock = renewer._plan.clock
    now = asyncio.get_running_loop().time()
    told = clock.time(now)
    assert told is None if offset is None else told == pytest.approx(EPOCH, abs=1)
    await made.cable.close()


@pytest.mark.parametrize("way", ["status", "frame"])
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_renewed(way: str, status: int) -> None:
    """By an HTTP status or by a disconnect frame: another one is fetched, and the line comes back."""
    issuer = Issuer()
    async with staged(issuer) as scene:
        scene.backend.way, scene.backend.status = way, status
        first = scene.issuer.answer = lambda: "not-a-token"
        opening = asyncio.ensure_future(scene.cable.open())
        await asyncio.sleep(0.2)
        assert scene.backend.refusals == ["unauthorized"]
        assert scene.issuer.answer is first
        scene.issuer.answer = None
        await opening
        assert scene.cable.state is State.CONNECTED
        assert len(issuer.asked) == 2
        [lost] = scene.told(Disconnected)
        assert isinstance(lost.error, Unauthorized)


@pytest.mark.parametrize("way", ["status", "frame"])
async def test_a_streak_of_refusals_is_final(way: str) -> None:
    """Tokens that differ, each refused: the end names what was tried, and what the server said."""
    numbers = iter(range(100))
    issuer = Issuer()
    issuer.answer = lambda: f"wrong-{next(numbers)}"
    async with staged(issuer) as scene:
        scene.backend.way = way
        with pytest.raises(Unauthorized, match=r"Tried: 3 tokens in a row from the function Issuer\.fetch") as final:
            await scene.cable.open()
        assert len(issuer.asked) == 3
        assert len(scene.backend.refusals) == 3
        assert isinstance(final.value.__cause__, Unauthorized)
        [closed] = scene.told(Closed)
        assert closed.error is not None
        assert scene.cable.state is State.CLOSED
        assert "wrong-" not in str(final.value)


@pytest.mark.parametrize("token", ["fixed", StaticToken("fixed"), None])
async def test_a_refusal_of_the_only_token_is_final_at_once(token: Any) -> None:
    """There is nothing else to try."""
    async with staged(token=token) as scene:
        with pytest.raises(Unauthorized):
            await scene.cable.open()
        assert len(scene.backend.refusals) == 1
        assert scene.cable.state is State.CLOSED


async def test_a_spell_of_health_forgets_refusals() -> None:
    """Two refusals an hour, with a good line in between, are no streak."""
    async with staged(Issuer(life=3600)) as scene:
        await scene.cable.open()
        for _ in range(6):
            await asyncio.sleep(120)
            scene.backend.revoked.update(scene.issuer.values)
            scene.backend.open[0].line.cut()
            await asyncio.sleep(30)
            assert scene.cable.state is State.CONNECTED
        assert len(scene.backend.refusals) == 6


async def test_a_source_that_will_never_give_one_ends_the_cable() -> None:
    """Also where a line was up before: what it says is not taken for the server's word on the token before."""
    async with staged() as scene:
        await scene.cable.open()

        def over() -> None:
            reason = "signed out"
            raise Unauthorized(reason)

        scene.issuer.answer = over
        await asyncio.sleep(300)
        assert len(scene.backend.open) == 1
        scene.backend.open[0].line.cut()
        await asyncio.sleep(60)
        assert scene.cable.state is State.CLOSED
        assert isinstance(scene.cable.error, Unauthorized)
        assert scene.cable.error.reason == "signed out"


async def test_an_address_function_that_says_no_is_not_the_server() -> None:
    """Its refusal is final; the token that was good a minute ago is not to blame."""
    addresses = ["ws://cable.example/cable"]

    def url() -> str:
        if not addresses:
            reason = "no address for you"
            raise Unauthorized(reason)
        return addresses.pop()

    made = line(url, token=lambda: "token", monitor=ManualMonitor())
    await made.cable.open()
    made.cable.wake()
    await made.welcome()
    made.cable.rest()
    await asyncio.sleep(5)
    assert made.told(Dormant)
    made.cable.wake()
    await asyncio.sleep(60)
    assert made.cable.state is State.CLOSED
    await made.cable.close()


async def test_a_bare_close_is_explained_where_the_token_names_nobody() -> None:
    """AnyCable closes with 1011 and no word where a token has no ``ext``."""
    claims = {key: value for key, value in claims_of("{}", 60, EPOCH).items() if key != "ext"}
    made = line(token=lambda: sign_claims(claims, SECRET, "HS256"))
    opening = asyncio.ensure_future(made.cable.open())
    server = await made.transport.accept()
    await settle()
    server.close(1011)
    await settle()
    [lost] = made.told(Disconnected)
    error = lost.error  # type: ignore[attr-defined]
    assert isinstance(error, LineClosed)
    assert (error.code, error.reason) == (1011, "")
    assert "no claim ext" in str(error)
    opening.cancel()
    await made.cable.close(flush=False)


@pytest.mark.parametrize("token", ["opaque", "with-ext"])
async def test_a_bare_close_is_not_explained_by_a_good_token(token: str) -> None:
    """Then it is what it says: a fault of the server's."""
    made = line(token=lambda: mint() if token == "with-ext" else token)
    server = await made.connect()
    server.close(1011)
    await settle()
    [lost] = made.told(Disconnected)
    assert str(lost.error) == "the line was closed with code 1011"  # type: ignore[attr-defined]
    await made.cable.close(flush=False)


async def test_a_cable_that_is_opened_again_has_a_token_again() -> None:
    """And between the two nobody asks the source."""
    async with staged() as scene:
        await scene.cable.open()
        await scene.cable.close()
        asked = len(scene.issuer.asked)
        await asyncio.sleep(600)
        assert len(scene.issuer.asked) == asked
        await scene.cable.open()
        assert scene.cable.state is State.CONNECTED
        await asyncio.sleep(60)
        assert len(scene.issuer.asked) > asked + 1


async def test_a_dormant_cable_renews_nothing_until_it_dials() -> None:
    """Then it has a fresh token first."""
    async with staged(monitor=ManualMonitor()) as scene:
        await scene.cable.open()
        async with scene.cable.awake():
            pass
        scene.cable.rest()
        await asyncio.sleep(5)
        assert scene.cable.state is State.DORMANT
        asked = len(scene.issuer.asked)
        await asyncio.sleep(3600)
        assert len(scene.issuer.asked) == asked
        async with scene.cable.awake():
            assert scene.backend.refusals == []
        assert len(scene.issuer.asked) == asked + 1
