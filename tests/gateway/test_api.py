"""The API for back ends: who may use it, with which answers, and what it does."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from cableway.auth.signing import api_key, broadcast_key
from cableway.gateway import Gateway, GatewayOptions
from cableway.gateway.api import key_of
from cableway.wire.positions import Member
from tests.conformance.raw_client import RawClient, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "k3y-demo"
DERIVED = "9d427d4afe127fbe286da1701c0270dc1ea24d4d3b4ae1f98265cea5192acb21"
"""The key of the API that goes with it."""

PUBLISH = "/api/publish"
USERS = "/api/presence/room/users"
BODY = json.dumps({"stream": "room", "data": '{"t":"x"}'})


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[Gateway, httpx2.AsyncClient]]:
    """Run a gateway, and a back end that knows it."""
    async with Gateway(**options) as gateway, httpx2.AsyncClient(base_url=gateway.http_url, trust_env=False) as http:
        yield gateway, http


def bearer(key: str) -> dict[str, str]:
    """Write the header that shows *key*."""
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, None),
        ({"secret": SECRET}, DERIVED),
        ({"api_secret": "own"}, "own"),
        ({"secret": SECRET, "api_secret": "own"}, "own"),
        ({"secret": "none", "api_secret": ""}, None),
        ({"broadcast_key": "other", "streams_secret": "other", "jwt_secret": "other"}, None),
        ({"public": True}, None),
        ({"public": True, "secret": SECRET, "api_secret": "own"}, None),
    ],
)
def test_the_key_is_the_given_one_or_the_derived_one(options: dict[str, Any], key: str | None) -> None:
    """In public mode nobody needs one; secrets that are for something else give none."""
    assert key_of(GatewayOptions(**options)) == key


def test_the_derived_key_is_that_of_anycable() -> None:
    """So that one back end publishes to either, and it is no other key's twin."""
    assert api_key(SECRET) == DERIVED
    assert broadcast_key(SECRET) != DERIVED


@pytest.mark.parametrize("options", [{}, {"noauth": True, "public_streams": True}, {"broadcast_key": "other"}])
async def test_without_a_key_there_is_no_api(options: dict[str, Any]) -> None:
    """A door that nobody could lock is not there; public mode wants none locked."""
    async with serving(**options) as (_, http):
        assert (await http.post(PUBLISH, content=BODY)).status_code == 404
        assert (await http.get(USERS)).status_code == 404
    async with serving(public=True) as (_, http):
        assert (await http.post(PUBLISH, content=BODY)).status_code == 201
        assert (await http.get(USERS)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        bearer("wrong"),
        bearer(DERIVED[:-1]),
        bearer(DERIVED.upper()),
        bearer(broadcast_key(SECRET)),
        bearer(SECRET),
        {"Authorization": DERIVED},
        {"Authorization": f"bearer {DERIVED}"},
        {"Authorization": f"Basic {DERIVED}"},
        {"Authorization": "Bearer \xe4\xff"},
    ],
    ids=str,
)
async def test_who_does_not_show_the_key_is_refused(headers: dict[str, str]) -> None:
    """Before anything is read, done or told; half a key, another one or none are the same."""
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    async with serving(secret=SECRET) as (gateway, http):
        for answer in (await http.post(PUBLISH, content=BODY, headers=raw), await http.get(USERS, headers=raw)):  # type: ignore[arg-type]
            assert answer.status_code == 401
            assert "key is missing or wrong" in answer.text
        assert gateway.stats().broadcasts == 0


@pytest.mark.parametrize(("path", "good"), [(PUBLISH, "POST"), (USERS, "GET")], ids=["publish", "presence"])
async def test_each_address_has_one_method(path: str, good: str) -> None:
    """The others are refused, key or no key."""
    async with serving(secret=SECRET) as (gateway, http):
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {good}:
            assert (await http.request(method, path, headers=bearer(DERIVED))).status_code == 422
            assert (await http.request(method, path)).status_code == 422
        assert gateway.stats().broadcasts == 0


async def test_what_is_published_is_heard_and_kept() -> None:
    """By those who listen, in order, one publication or several; with its place in the stream."""
    async with serving(public=True) as (gateway, http), RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("room"))
        several = [
            {"stream": "room", "data": "2"},
            {"stream": "other", "data": "3"},
            {"stream": "room", "data": "null"},
        ]
        for content in (BODY, json.dumps(several)):
            answer = await http.post(PUBLISH, content=content)
            assert (answer.status_code, answer.text) == (201, "")
        for offset, message in enumerate(({"t": "x"}, 2, "null"), 1):
            await client.expect(identifier=target, message=message, stream_id="room", offset=offset)
        assert gateway.stats().broadcasts == 4


async def test_a_back_end_may_end_sessions() -> None:
    """By their identifiers; unless it says so, they do not come back."""
    command = {"command": "disconnect", "payload": {"identifier": '{"sid":"s7"}'}}
    async with serving(public=True) as (gateway, http):
        async with RawClient(gateway.url, headers={"X-Request-ID": "s7"}) as client:
            await client.welcomed()
            assert (await http.post(PUBLISH, content=json.dumps(command))).status_code == 201
            await client.expect(type="disconnect", reason="remote", reconnect=False)
        assert gateway.stats().failed_broadcasts == 0


@pytest.mark.parametrize(
    "body", ["", "{", "7", "{}", '{"stream":"room","data":{"t":"x"}}', '{"command":"dance"}', "\xff"]
)
async def test_what_makes_no_sense_is_accepted_and_dropped(body: str, caplog: pytest.LogCaptureFixture) -> None:
    """As AnyCable does: a publisher cannot tell, but the log and the counter do; and nothing of it is shown."""
    async with serving(secret=SECRET) as (gateway, http):
        answer = await http.post(PUBLISH, content=body.encode("latin-1"), headers=bearer(DERIVED))
        assert answer.status_code == 201
        assert (gateway.stats().failed_broadcasts, gateway.stats().broadcasts) == (1, 0)
    assert "a publication could not be read" in caplog.text
    assert '"t"' not in caplog.text


async def test_who_is_present_is_told() -> None:
    """As over the line: a total, and records where there are any; an info that is none is left out."""
    async with serving(public=True) as (gateway, http):
        nobody = await http.get(USERS)
        assert nobody.json() == {"type": "info", "total": 0}
        assert nobody.headers["content-type"].startswith("application/json")
        for sid, member in (("s1", Member("ann", {"n": "Ä"})), ("s2", Member("bob")), ("s3", Member("bob"))):
            gateway._house.attendance.join("room", sid, member, 0, kept=True)
        told = (await http.get(USERS)).json()
        assert told == {"type": "info", "total": 2, "records": [{"info": {"n": "Ä"}, "id": "ann"}, {"id": "bob"}]}
        assert (await http.get("/api/presence/another/users")).json()["total"] == 0


async def test_a_client_that_joined_is_told_of() -> None:
    """From its command to the answer."""
    async with serving(public=True) as (gateway, http), RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("room"))
        await client.command("join", identifier=target, presence={"id": "ann", "info": {"n": 1}})
        await client.expect(type="presence")
        assert (await http.get(USERS)).json()["records"] == [{"info": {"n": 1}, "id": "ann"}]


@pytest.mark.parametrize("name", ["room/7", "/", "room%2F7"])
async def test_a_stream_with_a_slash_cannot_be_asked_for(name: str) -> None:
    """However it is written: one part of the path is what AnyCable takes for its name."""
    async with serving(public=True) as (_, http):
        assert (await http.get(f"/api/presence/{name}/users")).status_code == 404


@pytest.mark.parametrize(("written", "name"), [("r%20m", "r m"), ("caf%C3%A9", "café"), ("50%25", "50%")])
async def test_any_other_name_can(written: str, name: str) -> None:
    """As addresses write it."""
    async with serving(public=True) as (gateway, http):
        gateway._house.attendance.join(name, "s1", Member("ann"), 0, kept=True)
        assert (await http.get(f"/api/presence/{written}/users")).json()["total"] == 1


@pytest.mark.parametrize("options", [{"broker": "none"}, {"flavour": "rails"}])
async def test_without_a_broker_nobody_knows_who_is_present(options: dict[str, Any]) -> None:
    """That is told apart from nobody being there; publishing needs none."""
    async with serving(public=True, **options) as (_, http):
        assert (await http.get(USERS)).status_code == 501
        assert (await http.post(PUBLISH, content=BODY)).status_code == 201


async def test_a_stream_with_braces_can_be_asked_for() -> None:
    """A name may hold whatever a path can carry."""
    async with serving(public=True) as (gateway, http):
        gateway._house.attendance.join("{a}", "s1", Member("ann"), 0, kept=True)
        answer = await http.get("/api/presence/%7Ba%7D/users")
        assert (answer.status_code, answer.json()["total"]) == (200, 1)
