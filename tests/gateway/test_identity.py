"""Who is let in by a token. What clients see of it is among the conformance cases."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from multidict import CIMultiDict, MultiDict

from cableway.auth.jwts import Verified, sign_claims
from cableway.errors import UsageError
from cableway.gateway import Connection, Gateway, GatewayOptions
from cableway.gateway.connection import Request
from cableway.gateway.identity import TokenRule, TurnedAway, find_token, read_identifiers, token_rule
from cableway.wire.expulsions import TOKEN_EXPIRED, UNAUTHORIZED
from tests.conformance.raw_client import BASE, RawClient, until

SECRET = "canary-of-the-secret-which-nobody-may-see"
NOW = 1_800_000_000


def request(query: list[tuple[str, str]] | None = None, **headers: str) -> Request:
    """Make a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        sid="1",
        url="http://h/cable",
        host="h",
        path="/cable",
        query=MultiDict(query or []),
        headers=CIMultiDict(named),
        cookies={},
    )


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (request(), None),
        (request(X_JID="a"), "a"),
        (request(Sec_WebSocket_Protocol=f"{BASE}, anycable-token.b"), "b"),
        (request(Sec_WebSocket_Protocol="anycable-token.b,anycable-token.c"), "b"),
        (request(Sec_WebSocket_Protocol="anycable-token., anycable-token.c"), None),
        (request(Sec_WebSocket_Protocol=f"{BASE}, xanycable-token.b"), None),
        (request([("jid", "c"), ("jid", "d")]), "c"),
        (request([("jid", ""), ("jid", "d")]), None),
        (request([("jid", "c")], X_JID="a", Sec_WebSocket_Protocol="anycable-token.b"), "a"),
        (request([("jid", "c")], X_JID="", Sec_WebSocket_Protocol="anycable-token.b"), "b"),
        (request([("jid", "c")], Sec_WebSocket_Protocol="anycable-token."), "c"),
        (request([("token", "c")], X_Token="a"), None),
    ],
)
def test_the_token_is_found_where_anycable_looks(given: Request, found: str | None) -> None:
    """Header, subprotocol, query; an empty one is none."""
    assert find_token(given, "jid") == found


def test_it_may_be_called_something_else() -> None:
    """In header and query."""
    assert find_token(request([("token", "c")]), "token") == "c"
    assert find_token(request(x_Token="a"), "token") == "a"
    assert find_token(request(X_JID="a"), "token") is None


def test_the_time_decides() -> None:
    """At the very second the token ends."""
    rule = TokenRule("jid", SECRET)
    bearer = request(X_JID=sign_claims({"ext": "me", "exp": NOW}, SECRET))
    assert isinstance(rule.judge(bearer, NOW - 1), Verified)
    judged = rule.judge(bearer, NOW)
    assert isinstance(judged, TurnedAway)
    assert judged.expulsion is TOKEN_EXPIRED


def test_without_a_secret_tokens_are_not_looked_at() -> None:
    """Whatever they are."""
    assert TokenRule("jid").judge(request(X_JID="junk"), NOW) is None


def test_who_has_none_is_left_to_others_unless_one_is_enforced() -> None:
    """That is the whole of the option."""
    assert TokenRule("jid", SECRET).judge(request(), NOW) is None
    judged = TokenRule("jid", SECRET, enforced=True).judge(request(), NOW)
    assert isinstance(judged, TurnedAway)
    assert judged.expulsion is UNAUTHORIZED


@pytest.mark.parametrize(
    ("options", "secret"),
    [
        ({}, None),
        ({"secret": "one"}, "one"),
        ({"secret": "one", "jwt_secret": "two"}, "two"),
        ({"jwt_secret": "two"}, "two"),
        ({"secret": "one", "jwt_secret": "none"}, None),
        ({"secret": "none", "jwt_secret": ""}, None),
    ],
)
def test_tokens_have_their_own_secret_first(options: dict[str, Any], secret: str | None) -> None:
    """The one secret is the fallback, and the word none means no tokens at all, as in AnyCable."""
    assert token_rule(GatewayOptions(**options)).secret == secret


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"enforce_jwt": True}, "enforce_jwt needs a secret"),
        ({"enforce_jwt": True, "secret": "one", "jwt_secret": "none"}, "enforce_jwt needs a secret"),
        ({"token_path": "/token"}, "token_path needs a secret"),
        ({"secret": "one", "jwt_param": "x y"}, "cannot name a header"),
        ({"secret": "one", "jwt_param": ""}, "cannot name a header"),
        ({"jwt_secret": "-----BEGIN PUBLIC KEY-----\ncanary\n-----END PUBLIC KEY-----"}, "a key or certificate"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(options: dict[str, Any], text: str) -> None:
    """A gateway that would let everybody in, or nobody, is not built; and no secret is shown."""
    with pytest.raises(UsageError, match=text) as caught:
        Gateway(**options)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("text", "read"), [('{"a":1}', {"a": 1}), ("[1]", {}), ("", {}), ("a b", {}), ("null", {})])
def test_identifiers_are_an_object_or_nothing(text: str, read: dict[str, Any]) -> None:
    """The text itself is what a session is found by either way."""
    assert read_identifiers(text) == read


async def test_refusals_are_counted_and_logged_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """What the back end has done wrong is a warning, the rest is everyday life; no log holds a token or a secret."""
    claims: list[dict[str, Any]] = [{"ext": "canary", "exp": 1}, {"exp": 4102444800}, {"ext": "canary", "nbf": 9e9}]
    tokens = [sign_claims({**claim, "more": "canary"}, SECRET) for claim in claims]
    with caplog.at_level(logging.DEBUG):
        async with Gateway(jwt_secret=SECRET) as gateway:
            for token in tokens:
                async with RawClient(f"{gateway.url}?jid={token}", headers={"Authorization": "canary"}) as client:
                    while client.socket.close_code is None:
                        await client.socket.wait_closed()
            await until(lambda: gateway.stats().connections == 0)
            assert (gateway.stats().unauthorized, gateway.stats().expired_tokens) == (3, 1)
    ours = [record for record in caplog.records if record.name.startswith("cableway")]
    warned = [record.getMessage() for record in ours if record.levelno >= logging.WARNING]
    assert len(warned) == 1
    assert "ext is absent" in warned[0]
    told = "\n".join(str(vars(record)) for record in ours)
    assert all(secret not in told for secret in ("canary", *tokens))


class Counting(Connection):
    """Writes down what it is asked."""

    told: list[str] = []  # noqa: RUF012 - emptied by each test

    async def connect(self) -> None:
        """Let nobody in."""
        self.told.append("connect")
        self.reject()

    async def disconnected(self) -> None:
        """Write down who leaves."""
        self.told.append(f"disconnected {self.identifiers} {sorted(self.claims or {})}")


async def test_a_bearer_is_not_asked_about_and_its_end_is_told() -> None:
    """The token has said it all."""
    Counting.told = []
    token = sign_claims({"ext": '{"user_id":7}', "exp": int(time.time()) + 60}, SECRET)
    async with Gateway(connection=Counting, jwt_secret=SECRET) as gateway:
        async with RawClient(gateway.url, headers={"X-JID": token}) as client:
            await client.welcomed()
        await until(lambda: bool(Counting.told))
        async with RawClient(gateway.url) as client:
            await client.expect(type="disconnect", reason="unauthorized")
        await until(lambda: gateway.stats().connections == 0)
    assert Counting.told == ["disconnected {'user_id': 7} ['exp', 'ext']", "connect"]


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"jwt_secret": "short"}, True),
        ({"secret": "short", "enforce_jwt": True}, True),
        ({"secret": "short", "token_path": "/token"}, True),
        ({"secret": "short"}, False),
        ({"jwt_secret": SECRET}, False),
    ],
)
async def test_a_short_secret_is_warned_of_where_tokens_matter(
    options: dict[str, Any],
    warned: bool,  # noqa: FBT001 - a case
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once, when it starts."""
    async with Gateway(**options):
        pass
    assert ("less than 32 bytes" in caplog.text) is warned
    assert "short" not in caplog.text
