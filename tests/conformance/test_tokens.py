"""Conformance: who is let in by a token, and what the others are told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Channel, Connection, Gateway
from cableway.server import sign_stream
from tests.conformance.handmade import WHO, good, in_an_hour, token
from tests.conformance.raw_client import BASE, RawClient, identifier
from tests.conformance.servers import SECRET, post

if TYPE_CHECKING:
    from tests.conformance.servers import Server

WAYS = ["header", "subprotocol", "subprotocol alone", "query"]


def client(server: Server | Gateway, value: str, way: str = "header", param: str = "jid") -> RawClient:
    """Bring a token in one of the ways."""
    if way == "header":
        return RawClient(server.url, headers={f"x-{param}": value})
    if way == "query":
        return RawClient(f"{server.url}?{param}={value}")
    return RawClient(server.url, subprotocols=[*([BASE] if way == "subprotocol" else []), f"anycable-token.{value}"])


async def is_refused(client: RawClient, reason: str = "unauthorized") -> None:
    """Check that the client is told to stay away, and why."""
    async with client:
        assert await client.frame() == {"type": "disconnect", "reason": reason, "reconnect": False}
        assert await client.expect_close() == (1000, "Auth Failed")


@pytest.mark.parametrize("way", WAYS)
async def test_a_good_token_lets_in_however_it_comes(guarded: Server, way: str) -> None:
    """As a header, a subprotocol or a query parameter; as a subprotocol it is never the one that is chosen."""
    async with client(guarded, good(), way) as welcomed:
        assert (await welcomed.expect(type="welcome"))["sid"]
        assert welcomed.subprotocol == (None if way == "subprotocol alone" else BASE)


@pytest.mark.parametrize("way", WAYS)
async def test_the_token_may_have_another_name(renamed: Server, way: str) -> None:
    """Header and query parameter are called so; the subprotocol is not."""
    async with client(renamed, good(), way, "token") as welcomed:
        await welcomed.welcomed()
    if not way.startswith("subprotocol"):
        await is_refused(client(renamed, good(), way, "jid"))


ORDERS = [
    (("good", "bad", "bad"), "welcome"),
    (("bad", "good", "good"), "disconnect"),
    ((None, "good", "bad"), "welcome"),
    ((None, "bad", "good"), "disconnect"),
    (("", "good", "bad"), "welcome"),
]


@pytest.mark.parametrize(("kinds", "told"), ORDERS)
async def test_the_header_goes_before_the_subprotocol_and_that_before_the_query(
    guarded: Server, kinds: tuple[str | None, ...], told: str
) -> None:
    """One token is looked at, though there are several."""
    header, subprotocol, query = ({"good": good(), "bad": good(secret="other")}.get(kind or "", kind) for kind in kinds)
    offer = [BASE, f"anycable-token.{subprotocol}"]
    headers = None if header is None else {"x-jid": header}
    async with RawClient(f"{guarded.url}?jid={query}", subprotocols=offer, headers=headers) as dialled:
        await dialled.expect(type=told)


async def test_of_two_tokens_in_the_query_the_first_counts(guarded: Server) -> None:
    """Whatever the other one is worth; an empty first one is none."""
    bad = good(secret="other")
    for tokens, told in (((good(), bad), "welcome"), ((bad, good()), "disconnect"), (("", good()), "disconnect")):
        async with RawClient(f"{guarded.url}?jid={tokens[0]}&jid={tokens[1]}") as dialled:
            await dialled.expect(type=told)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_each_algorithm_with_a_secret_counts(guarded: Server, algorithm: str) -> None:
    """They differ in the hash alone."""
    async with client(guarded, good(algorithm=algorithm)) as welcomed:
        await welcomed.welcomed()


@pytest.mark.parametrize(
    "claims", [{"iat": 4102444800}, {"aud": "others"}, {"iss": "me"}, {"sub": 7}, {"jti": 7}, {"nbf": 1}, {"nbf": 1.5}]
)
async def test_other_claims_do_not_count(guarded: Server, claims: dict[str, Any]) -> None:
    """Whom it is meant for, who made it and when is not looked at; a token without end is good for ever."""
    async with client(guarded, token(ext=WHO, **claims)) as welcomed:
        await welcomed.welcomed()


@pytest.mark.parametrize("claims", [{}, {"ext": 7}, {"nbf": 4102444800}], ids=["plain", "ext", "nbf"])
async def test_a_token_that_has_ended_is_told_so(guarded: Server, claims: dict[str, Any]) -> None:
    """``token_expired``, whatever else is wrong with it: whoever has one that may be renewed learns that it must be."""
    ended = int(time.time())
    await is_refused(client(guarded, token(**{"ext": WHO, "exp": ended, **claims})), "token_expired")


WRONG = {
    "another secret": good(secret="another"),
    "another secret and ended": good(secret="another", exp=1),
    "not signed": good(algorithm="none"),
    "not signed but for show": good(algorithm="none") + "AA",
    "an algorithm with public keys": good(header={"alg": "RS256"}),
    "an algorithm in small letters": good(header={"alg": "hs256"}),
    "not good yet": good(nbf=4102444800),
    "a beginning in text": good(nbf="1"),
    "an end in text": good(exp="4102444800"),
    "an end that is true": good(exp=True),
    "an end that is null": good(exp=None),
    "cut off": good()[:-4],
    "one part": good().replace(".", "-"),
    "four parts": good() + ".x",
    "empty objects": "e30.e30.e30",
    "no token": "secret-token-not-a-jwt-at-all",
    "dots": "..",
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
async def test_a_wrong_token_is_refused_without_a_word_of_why(guarded: Server, value: str) -> None:
    """Not signed, not signed with this secret, not good yet, or no token at all: ``unauthorized``."""
    await is_refused(client(guarded, value))


@pytest.mark.parametrize("claims", [{}, {"ext": 7}, {"ext": None}, {"ext": {"user_id": 7}}, {"ext": ["7"]}])
async def test_a_token_without_text_in_ext_is_closed_without_a_word(guarded: Server, claims: dict[str, Any]) -> None:
    """It was made by the back end, and wrongly: 1011, as where the back end has failed."""
    async with client(guarded, token(exp=in_an_hour(), **claims)) as silent:
        assert await silent.expect_close() == (1011, "Auth Error")


async def test_who_has_no_token_is_refused_where_one_is_enforced(guarded: Server) -> None:
    """An empty one is none."""
    await is_refused(RawClient(guarded.url))
    await is_refused(RawClient(f"{guarded.url}?jid="))


async def test_a_server_of_tokens_alone_needs_nobody_to_ask(standalone: Server) -> None:
    """A token lets in, a signed name opens the stream; without a token there is nobody who could allow it."""
    target = identifier("$pubsub", signed_stream_name=sign_stream("room/7", SECRET))
    async with client(standalone, good()) as welcomed:
        await welcomed.welcomed()
        await welcomed.subscribe(target)
        assert await post(standalone, {"stream": "room/7", "data": "1"}) == 201
        await welcomed.expect_message(target, 1)
    await is_refused(RawClient(standalone.url))


async def test_where_all_are_let_in_a_wrong_token_is_still_wrong(lenient: Server) -> None:
    """Who brings one is judged by it."""
    for dial in (RawClient(lenient.url), client(lenient, good())):
        async with dial:
            await dial.welcomed()
    await is_refused(client(lenient, good(secret="another")))
    await is_refused(client(lenient, token(ext=WHO, exp=1)), "token_expired")


async def test_the_session_is_known_by_exactly_what_ext_says(guarded: Server) -> None:
    """A back end that ends a user's sessions must write the identifiers as the token does, to the space."""
    who = '{ "user_id" : 7 }'
    async with client(guarded, good(ext=who)) as welcomed:
        await welcomed.welcomed()
        for text in ('{"user_id":7}', who):
            assert await post(guarded, {"command": "disconnect", "payload": {"identifier": text}}) == 201
            if text != who:
                await guarded.pause()
                await welcomed.expect_silence()
        await welcomed.expect(type="disconnect", reason="remote", reconnect=False)


async def test_a_session_outlives_its_token(guarded: Server) -> None:
    """Its end is looked at when the client connects, and never again."""
    ends = int(time.time()) + 2
    async with client(guarded, token(ext=WHO, exp=ends)) as welcomed:
        await welcomed.welcomed()
        while (await welcomed.frame(pings=True))["message"] <= ends:
            pass
        await welcomed.expect_silence()


# What only a server with Python channels can be asked ---------------------------------------------------------------


class WhoChannel(Channel):
    async def subscribed(self) -> None:
        self.transmit([self.connection.identifiers, (self.connection.claims or {}).get("role")])


class Guests(Connection):
    async def connect(self) -> None:
        self.identifiers = {"guest": True}


@pytest.mark.parametrize(
    ("ext", "seen"), [(WHO, {"user_id": 7}), ("", {}), ("user 7", {}), ("[7]", {}), ("[" * 5000, {})]
)
async def test_channels_see_who_the_token_names(ext: str, seen: dict[str, Any]) -> None:
    """The identifiers, and what else it claims."""
    async with Gateway([WhoChannel], secret=SECRET) as gateway, client(gateway, good(ext=ext, role="driver")) as bearer:
        await bearer.welcomed()
        await bearer.command("subscribe", identifier=identifier("WhoChannel"))
        await bearer.expect_message(identifier("WhoChannel"), [seen, "driver"])


async def test_without_a_token_the_connection_class_is_asked() -> None:
    """And only then."""
    async with Gateway([WhoChannel], connection=Guests, jwt_secret=SECRET) as gateway:
        for dial, who in ((RawClient(gateway.url), {"guest": True}), (client(gateway, good()), {"user_id": 7})):
            async with dial:
                await dial.welcomed()
                await dial.command("subscribe", identifier=identifier("WhoChannel"))
                await dial.expect_message(identifier("WhoChannel"), [who, None])


@pytest.mark.parametrize("name", ["crit", "jku", "jwk", "x5c", "x5u"])
async def test_a_token_that_brings_its_own_key_is_refused(name: str) -> None:
    """There is one key, and no token has a say in it."""
    async with Gateway(secret=SECRET) as gateway:
        await is_refused(client(gateway, good(header={name: ["exp"]})))
