"""The policy that a gateway serves."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from cableway.errors import UsageError
from cableway.gateway import Gateway
from cableway.gateway.policy import SIGNATURE
from cableway.policies.remote import is_signed, read_policy
from cableway.policies.remote_source import SIGNATURE_HEADER

CALM = {"version": 1, "backoff": {"minimum": 1, "maximum": 60}}


async def ask(gateway: Gateway, path: str = "/policy", **headers: str) -> httpx2.Response:
    """Ask for the policy."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.get(gateway.http_url + path, headers=headers)


async def test_it_is_served_as_clients_read_it() -> None:
    """What was set arrives, as JSON, and may be kept only to be asked about."""
    async with Gateway(policy=CALM) as gateway:
        answer = await ask(gateway)
    assert answer.status_code == 200
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-cache")
    assert json.loads(answer.content) == CALM
    backoff = read_policy(answer.content).backoff
    assert backoff is not None
    assert (backoff.minimum, backoff.maximum) == (1, 60)
    assert SIGNATURE not in answer.headers


async def test_without_a_policy_there_is_nothing() -> None:
    """404, before one is set and after it was taken away."""
    async with Gateway() as gateway:
        assert (await ask(gateway)).status_code == 404
        gateway.set_policy(CALM)
        assert (await ask(gateway)).status_code == 200
        gateway.set_policy(None)
        assert (await ask(gateway)).status_code == 404


async def test_who_has_it_gets_304() -> None:
    """Until it changes: then the whole of the new one, under another tag."""
    async with Gateway(policy=CALM) as gateway:
        tag = (await ask(gateway)).headers["etag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            same = await ask(gateway, **{"If-None-Match": known})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert (await ask(gateway, **{"If-None-Match": '"other"'})).status_code == 200
        gateway.set_policy({"version": 1})
        changed = await ask(gateway, **{"If-None-Match": tag})
        assert (changed.status_code, json.loads(changed.content)) == (200, {"version": 1})
        assert changed.headers["etag"] != tag


async def test_with_a_secret_it_is_signed() -> None:
    """Over the very bytes that are sent, under the name that clients look for; the signature is no part of a repr."""
    assert SIGNATURE == SIGNATURE_HEADER
    async with Gateway(policy=CALM, policy_secret="hush", policy_path="/line/policy") as gateway:
        answer = await ask(gateway, "/line/policy")
        assert (await ask(gateway)).status_code == 404
        assert answer.headers[SIGNATURE] not in repr(gateway._policy)
    assert is_signed(answer.content, "hush", answer.headers[SIGNATURE])
    assert not is_signed(answer.content, "hash", answer.headers[SIGNATURE])


async def test_it_outlives_a_restart() -> None:
    """And may be set while the gateway is down."""
    gateway = Gateway()
    gateway.set_policy(CALM)
    for _ in range(2):
        async with gateway:
            assert (await ask(gateway)).status_code == 200


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({}, "of version None"),
        ({"version": 1, "backoff": {"maximum": 1e9}}, r"backoff[.]maximum is 1000000000[.]0"),
        ({"version": 1, "backoff": {"maximum": float("nan")}}, r"backoff[.]maximum is nan"),
        ({"version": 1, "x": object()}, "not JSON serializable"),
        ({"version": 1, "x": "y" * 20_000}, "the limit is"),
    ],
)
async def test_what_no_client_would_take_is_refused(policy: dict[str, Any], text: str) -> None:
    """With the reason; and the one before stays in force."""
    with pytest.raises(UsageError, match=f"no client would take this policy: .*{text}"):
        Gateway(policy=policy)
    async with Gateway(policy=CALM) as gateway:
        with pytest.raises(UsageError, match=text):
            gateway.set_policy(policy)
        assert json.loads((await ask(gateway)).content) == CALM


def test_serials_only_rise() -> None:
    """Clients that took number 7 would not take number 6, even if there was none in between."""
    gateway = Gateway(policy={"version": 1, "serial": 7})
    gateway.set_policy({"version": 1, "serial": 7, "backoff": {"minimum": 1}})
    gateway.set_policy(None)
    for older in ({"version": 1, "serial": 6}, {"version": 1}):
        with pytest.raises(UsageError, match="serial"):
            gateway.set_policy(older)
    gateway.set_policy({"version": 1, "serial": 8})


def test_names_that_nobody_knows_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """A newer client may know them; a slip of the pen is seen in the log."""
    Gateway(policy={"version": 1, "backof": {}})
    assert "backof" in caplog.text
