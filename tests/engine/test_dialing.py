"""What is asked before each dial, and what a request holds."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from cableway import (
    Cable,
    Connecting,
    DialRequest,
    InvalidHeader,
    InvalidURL,
    RetryScheduled,
    SourceFailed,
    State,
    Unauthorized,
    UnsupportedProtocol,
    UsageError,
)
from cableway.engine.dialing import Dialer, Dialing, dial_failure
from tests.scripted import background, line, refusal, settle

OFFERED = ("actioncable-v1-ext-json",)


def dialing(**changes: Any) -> Dialing:
    """A plain way to dial, but for *changes*."""
    plain: dict[str, Any] = {
        "url": "wss://one.example/cable",
        "shuffle": True,
        "headers": None,
        "params": None,
        "origin": None,
        "ssl": None,
        "proxy": True,
        "timeout": 10.0,
    }
    return Dialing(**{**plain, **changes})


def dialer(**changes: Any) -> Dialer:
    """A dialer with fixed dice."""
    return Dialer(dialing(**changes), Random(1))


async def requested(subject: Dialer) -> DialRequest:
    """Have everything asked, as a dial does."""
    subject.turn(now=0)
    await subject.locate()
    return await subject.request(OFFERED)


def failed(subject: Dialer) -> None:
    """Have the last dial come to nothing."""
    assert subject.endpoints is not None
    subject.endpoints.failed(now=0)


# Requests ------------------------------------------------------------------------------------------------------------


async def test_a_request_holds_what_was_given() -> None:
    """Address with its own query, headers, parameters, origin."""
    request = await requested(
        dialer(url="wss://one.example/cable?vsn=1", headers={"Cookie": "a=1"}, params={"jid": "x y"}, proxy=None)
    )
    assert request.url == "wss://one.example/cable?vsn=1&jid=x%20y"
    assert request.headers == {"Cookie": "a=1"}
    assert request.origin == "https://one.example"
    assert (request.proxy, request.timeout, request.subprotocols) == (None, 10.0, OFFERED)


async def test_an_origin_that_was_given_wins() -> None:
    """The default is only a default."""
    assert (await requested(dialer(origin="https://www.example"))).origin == "https://www.example"


async def test_functions_may_be_plain_or_async() -> None:
    """Both are asked anew for each request."""
    asked: list[str] = []

    async def headers() -> dict[str, str]:
        await asyncio.sleep(0)
        asked.append("headers")
        return {"Authorization": f"Bearer {len(asked)}"}

    def params() -> dict[str, str]:
        asked.append("params")
        return {"n": str(len(asked))}

    async def url() -> str:
        asked.append("url")
        return "ws://asked.example/cable"

    subject = dialer(url=url, headers=headers, params=params)
    first, second = await requested(subject), await requested(subject)

    assert asked == ["url", "headers", "params"] * 2
    assert (first.headers, first.url) == ({"Authorization": "Bearer 2"}, "ws://asked.example/cable?n=3")
    assert (second.headers, second.url) == ({"Authorization": "Bearer 5"}, "ws://asked.example/cable?n=6")
    assert second.origin == "http://asked.example"


async def test_what_is_given_is_not_kept() -> None:
    """Changing the mapping after the request changes nothing about it."""
    headers = {"A": "1"}
    request = await requested(dialer(headers=headers))
    headers["A"] = "2"
    assert request.headers == {"A": "1"}


@pytest.mark.parametrize("name", ["headers", "params", "url"])
async def test_a_failing_function_is_named(name: str) -> None:
    """Its error is the cause; its text, which may hold secrets, is not in ours."""

    def fail() -> Any:
        msg = "token abc123"
        raise LookupError(msg)

    with pytest.raises(SourceFailed, match=f"the {name} function failed with LookupError") as caught:
        await requested(dialer(**{name: fail}))
    assert isinstance(caught.value.__cause__, LookupError)
    assert "abc123" not in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("name", "given", "cause"),
    [
        ("headers", None, InvalidHeader),
        ("headers", {"Authorization": None}, InvalidHeader),
        ("params", {"n": 1}, InvalidHeader),
        ("params", 7, InvalidHeader),
        ("url", None, InvalidURL),
        ("url", "ftp://one.example", InvalidURL),
    ],
)
async def test_a_function_that_gives_something_else_has_failed(name: str, given: Any, cause: type[Exception]) -> None:
    """A token that is not there yet must not end the cable."""
    with pytest.raises(SourceFailed) as caught:
        await requested(dialer(**{name: lambda: given}))
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.looptime
async def test_a_function_that_hangs_has_failed() -> None:
    """After the time allowed for each step of a dial."""
    with pytest.raises(SourceFailed, match="TimeoutError"):
        await requested(dialer(headers=asyncio.Event().wait, timeout=3.0))
    assert asyncio.get_running_loop().time() == pytest.approx(3)


async def test_a_function_may_say_that_it_is_no_use() -> None:
    """Unauthorized is for telling that dialling on cannot help."""

    def headers() -> Any:
        msg = "logged out"
        raise Unauthorized(msg)

    with pytest.raises(Unauthorized, match="logged out"):
        await requested(dialer(headers=headers))


# Several addresses ---------------------------------------------------------------------------------------------------

URLS = [f"ws://{name}.example/cable" for name in "abcdefgh"]


async def test_addresses_are_taken_in_turn() -> None:
    """The next one after a failure, the same one after a success, from the start again after the last."""
    subject = dialer(url=URLS, shuffle=False)
    assert [(await requested(subject)).url for _ in range(2)] == URLS[:1] * 2
    taken = []
    for _ in range(9):
        failed(subject)
        taken.append((await requested(subject)).url)
        assert subject.address == taken[-1]
    assert taken[:7] == URLS[1:]
    # When all have failed, the one that may be tried again first.
    assert set(taken[7:]) <= set(URLS)


async def test_addresses_are_shuffled_unless_told_otherwise() -> None:
    """Many clients do not all begin with the same one; each still visits all."""
    starts = set()
    for seed in range(30):
        subject = Dialer(dialing(url=URLS), Random(seed))
        starts.add(subject.address)
        seen = set()
        for _ in URLS:
            seen.add((await requested(subject)).url)
            failed(subject)
        assert seen == set(URLS)
    assert len(starts) > 4


@pytest.mark.parametrize("url", [[], ["ws://fine.example", "nonsense"], "nonsense", 7, b"ws://a.example", [None]])
def test_what_could_never_be_dialled_is_refused_when_built(url: Any) -> None:
    """Building a cable with it fails."""
    with pytest.raises(UsageError):
        Cable(url)


@pytest.mark.parametrize("given", [{"A": 1}, {1: "a"}, ["A"], 7])
def test_headers_and_params_that_are_no_strings_are_refused_when_built(given: Any) -> None:
    """The name of the argument is in the text, the value is not."""
    for name in ("headers", "params"):
        with pytest.raises(InvalidHeader, match=name):
            Cable("ws://one.example", **{name: given})


def test_what_may_be_secret_is_not_shown() -> None:
    """Neither address nor headers nor proxy appear in the repr."""
    subject = dialing(
        url="ws://u:secret@one.example", headers={"A": "secret"}, params={"t": "secret"}, proxy="http://secret@p"
    )
    assert "secret" not in repr(subject)


def test_a_foreign_error_keeps_its_cause() -> None:
    """Its type is told, its text is not ours to print."""
    error = RuntimeError("wss://u:secret@x")
    failure = dial_failure("wss://u:secret@one.example/", error)
    assert failure.__cause__ is error
    assert str(failure) == "wss://***@one.example/: the transport failed with RuntimeError"


# By the cable --------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_each_dial_asks_again_and_a_failure_fails_only_that_dial() -> None:
    """The second answer is wrong, the third one works."""
    answers: list[Any] = [{"A": "1"}, RuntimeError("not now"), None, {"A": "4"}]

    async def headers() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = line(headers=headers)
    opening = background(made.cable.open())
    assert (await made.transport.refuse(refusal())).headers == {"A": "1"}
    server = await made.welcome()
    await opening
    assert server.request.headers == {"A": "4"}
    failures = [event.error for event in made.told(RetryScheduled)]  # type: ignore[attr-defined]
    assert [type(failure).__name__ for failure in failures] == ["ConnectError", "SourceFailed", "SourceFailed"]
    await made.cable.close()


@pytest.mark.looptime
async def test_a_function_that_cancels_itself_fails_only_that_dial() -> None:
    """As some libraries do inside; the cable must not be stuck."""
    asked: list[int] = []

    async def headers() -> dict[str, str]:
        asked.append(1)
        if len(asked) == 1:
            raise asyncio.CancelledError
        return {}

    made = line(headers=headers)
    await made.connect()
    assert len(asked) == 2
    await made.cable.close()


@pytest.mark.looptime
async def test_unauthorized_from_a_function_ends_the_cable() -> None:
    """And open() raises it."""

    async def headers() -> dict[str, str]:
        msg = "logged out"
        raise Unauthorized(msg)

    made = line(headers=headers)
    with pytest.raises(Unauthorized, match="logged out"):
        await made.cable.open()
    assert made.cable.state is State.CLOSED


@pytest.mark.looptime
async def test_a_server_that_never_welcomes_loses_its_turn() -> None:
    """An address that takes lines but does not speak is not dialled for ever."""
    made = line(["ws://mute.example/", "ws://fine.example/"], shuffle=False)
    opening = background(made.cable.open())
    mute = await made.transport.accept()
    server = await made.welcome()
    await opening
    assert (mute.request.url, server.request.url) == ("ws://mute.example/", "ws://fine.example/")
    server.cut()
    again = await made.welcome()
    assert again.request.url == "ws://fine.example/"
    addresses = [event.address for event in made.told(Connecting)]  # type: ignore[attr-defined]
    assert addresses == ["ws://mute.example/", "ws://fine.example/", "ws://fine.example/"]
    await made.cable.close()


@pytest.mark.looptime
async def test_an_address_without_the_protocol_is_named() -> None:
    """The text tells what was chosen and what was offered."""
    made = line()
    opening = background(made.cable.open())
    server = await made.transport.accept("chat")
    with pytest.raises(UnsupportedProtocol, match="'chat'; offered were actioncable-v1-ext-json"):
        await opening
    await settle()
    assert server.over.is_set()


@pytest.mark.looptime
async def test_a_dial_to_a_function_s_address_can_be_told_before_it_is_known() -> None:
    """The first event of such a cable says where the address comes from."""
    made = line(lambda: "ws://asked.example/cable")
    await made.connect()
    made.server.cut()
    await made.welcome()
    addresses = [event.address for event in made.told(Connecting)]  # type: ignore[attr-defined]
    assert addresses == ["(the address that the url function gives)", "ws://asked.example/cable"]
    await made.cable.close()
