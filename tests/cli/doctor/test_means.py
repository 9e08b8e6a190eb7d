"""An examination dials as a cable would."""

from __future__ import annotations

import time

import jwt
import pytest

from cableway import InvalidURL, StaticToken, in_query
from cableway.auth.providers.function import CallableToken
from cableway.cli.doctor.means import Means
from cableway.errors.tokens import TokenUnavailable

URL = "wss://example.com/cable?room=42"


async def test_a_request_holds_all_that_was_given() -> None:
    """The Origin is that of the address, unless another one is given."""
    means = Means({"url": URL, "headers": {"X-Page": "1"}, "params": {"jid": "t"}, "proxy": False}, 3)

    request = await means.request(["actioncable-v1-json"])

    assert request.url == f"{URL}&jid=t"
    assert request.headers == {"X-Page": "1"}
    assert request.subprotocols == ("actioncable-v1-json",)
    assert (request.origin, request.proxy, request.timeout) == ("https://example.com", False, 3)
    assert means.source is None


async def test_the_token_travels_as_was_asked_for() -> None:
    """In AnyCable's header, if nothing was; how long it is good is told where it says so."""
    source = StaticToken("s3cret")
    means, other = (
        Means({"url": URL, "token": source}, 3),
        Means({"url": URL, "token": source, "token_as": in_query()}, 3),
    )

    assert await means.fetch_token(source) == (source.label, None)
    await other.fetch_token(source)

    assert (await means.request()).headers == {"x-jid": "s3cret"}
    assert (await other.request()).url == f"{URL}&jid=s3cret"
    await means.released()


async def test_the_life_of_a_token_is_told() -> None:
    """By the clock of this machine."""
    source = StaticToken(jwt.encode({"exp": int(time.time()) + 100}, "k" * 32, "HS256"))

    _, left = await Means({"url": URL, "token": source}, 3).fetch_token(source)

    assert left is not None
    assert 90 < left <= 100


@pytest.mark.looptime
async def test_a_source_that_gives_nothing_is_told_in_time() -> None:
    """It is asked again until then."""
    asked: list[int] = []

    def fail() -> str:
        asked.append(1)
        raise RuntimeError

    source = CallableToken(fail)
    means = Means({"url": URL, "token": source}, 3)

    with pytest.raises(TokenUnavailable, match="within 3 s"):
        await means.fetch_token(source)

    assert len(asked) > 1
    await means.released()


def test_an_address_that_cannot_be_dialled_is_refused() -> None:
    """Before anything is tried."""
    with pytest.raises(InvalidURL):
        Means({"url": "ftp://example.com"}, 3)
