"""The endpoint that gives tokens, well and badly."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2
import jwt
import pytest

from cableway.auth.jwts import Verified, verify_token
from cableway.errors import UsageError
from cableway.gateway import Gateway
from cableway.gateway.tokens import TokenDesk
from tests.conformance.raw_client import RawClient, until

SECRET = "canary-of-the-secret-which-nobody-may-see"


def made(**options: Any) -> Gateway:
    """Make a gateway that gives tokens."""
    return Gateway(**{"jwt_secret": SECRET, "token_path": "/token", **options})


async def ask(gateway: Gateway, method: str = "POST", path: str = "/token", **headers: str) -> httpx2.Response:
    """Ask for a token."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.request(method, gateway.http_url + path, headers=named)


async def test_its_tokens_let_in() -> None:
    """For as long as was said, and under the name that was said."""
    async with made(enforce_jwt=True, token_life=60, token_ext={"user_id": 7}) as gateway:
        answer = await ask(gateway)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert answer.headers["content-type"].startswith("application/json")
        given = answer.json()
        assert set(given) == {"token", "expires_in"}
        assert given["expires_in"] == 60
        verdict = verify_token(given["token"], SECRET, time.time())
        assert isinstance(verdict, Verified)
        assert verdict.identifiers == '{"user_id":7}'
        async with RawClient(gateway.url, headers={"x-jid": given["token"]}) as client:
            await client.welcomed()
        assert (gateway.tokens.requests, gateway.tokens.issued) == (1, 1)


async def test_it_is_off_unless_asked_for() -> None:
    """Nobody gives tokens by accident; and it takes POST alone."""
    async with Gateway(jwt_secret=SECRET) as gateway:
        assert (await ask(gateway)).status_code == 404
        with pytest.raises(UsageError, match="set token_path"):
            _ = gateway.tokens.url_path
    async with made(token_path="/give") as gateway:
        assert gateway.tokens.url_path == "/give"
        assert (await ask(gateway, "GET", "/give")).status_code == 405
        assert (await ask(gateway, "POST", "/give")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example", "Host": "evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X_Forwarded_For": "203.0.113.7"}, 403),
        ({"Forwarded": "for=203.0.113.7"}, 403),
        ({"X_Real_IP": "203.0.113.7"}, 403),
    ],
)
async def test_programs_of_this_machine_may_ask(headers: dict[str, str], status: int) -> None:
    """No page of another site, and nobody behind a proxy, though the proxy is on this machine."""
    async with made(public=True) as gateway:
        assert (await ask(gateway, **headers)).status_code == status
        assert gateway.tokens.requests == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("remote", "told", "may"),
    [
        ("127.0.0.1", False, True),
        ("127.8.9.1", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:192.0.2.1", False, False),
        ("192.0.2.1", False, False),
        ("", False, False),
        ("192.0.2.1", True, True),
    ],
)
def test_other_machines_may_ask_if_told(remote: str, told: bool, may: bool) -> None:  # noqa: FBT001 - a case
    """Not before."""
    from aiohttp.test_utils import make_mocked_request

    request = make_mocked_request("POST", "/token").clone(remote=remote)
    assert TokenDesk(made(token_remote=told).options)._may_ask(request) is may  # type: ignore[arg-type]


async def test_it_fails_to_order() -> None:
    """With any status, as often as asked for, and then it is well."""
    async with made() as gateway:
        gateway.tokens.fail(503, times=2, retry_after=7)
        answers = [await ask(gateway) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert [answer.headers.get("retry-after") for answer in answers] == ["7", "7", None]
        gateway.tokens.fail()
        assert [(await ask(gateway)).status_code for _ in range(3)] == [500, 500, 500]
        gateway.tokens.heal()
        assert (await ask(gateway)).status_code == 200
        assert (gateway.tokens.requests, gateway.tokens.issued) == (7, 2)


async def test_it_gives_garbage_to_order() -> None:
    """With 200, as a proxy's error page has it."""
    async with made() as gateway:
        gateway.tokens.garbage(times=1)
        answer = await ask(gateway)
        assert answer.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            answer.json()
        assert "token" in (await ask(gateway)).json()


async def test_it_gives_tokens_that_have_ended_to_order() -> None:
    """Signed as others are; the gateway itself turns them away."""
    async with made() as gateway:
        gateway.tokens.expired()
        given = (await ask(gateway)).json()
        assert given["expires_in"] == 0
        assert jwt.decode(given["token"], options={"verify_signature": False})["exp"] < time.time()
        async with RawClient(gateway.url, headers={"x-jid": given["token"]}) as client:
            await client.expect(type="disconnect", reason="token_expired")
        assert gateway.tokens.issued == 0


@pytest.mark.parametrize("end", ["heal", "stop", "kill"])
async def test_it_hangs_to_order(end: str) -> None:
    """Until it is healed, or until the gateway ends: then lines are cut, and nothing waits for them."""
    async with made() as gateway:
        gateway.tokens.hang()
        asking = [asyncio.ensure_future(ask(gateway)) for _ in range(3)]
        await until(lambda: gateway.tokens.hanging == 3)
        if end == "heal":
            gateway.tokens.heal()
        elif end == "kill":
            gateway.kill()
        else:
            async with asyncio.timeout(0.9):
                await gateway.stop()
        for cut in await asyncio.gather(*asking, return_exceptions=True):
            assert isinstance(cut, httpx2.TransportError)
        await until(lambda: gateway.tokens.hanging == 0)
        if end == "heal":
            assert (await ask(gateway)).status_code == 200


async def test_a_fault_outlives_a_restart() -> None:
    """So that a test can have both."""
    gateway = made()
    gateway.tokens.fail(503)
    for _ in range(2):
        async with gateway:
            assert (await ask(gateway)).status_code == 503
    assert gateway.tokens.requests == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"token_life": 0.5}, "too short"),
        ({"token_life": 0}, "too short"),
        ({"token_ext": ""}, "identifiers are empty"),
        ({"token_path": "/cable"}, "both '/cable'"),
        ({"token_path": "token"}, "is not a path"),
    ],
)
def test_options_that_give_no_token_are_refused(options: dict[str, Any], text: str) -> None:
    """At once."""
    with pytest.raises(UsageError, match=text):
        made(**options)
