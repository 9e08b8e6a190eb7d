"""Tokens over HTTP: what is asked, which answers are taken, and what is told of the others."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import jwt
import pytest

from cableway.auth.providers.endpoint import EndpointToken
from cableway.auth.providers.response import LARGEST_ANSWER
from cableway.auth.token import Token
from cableway.errors import InvalidHeader, InvalidURL, Unauthorized, UsageError
from cableway.errors.tokens import TokenUnavailable
from tests.scripted import background, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from respx import Router

    from tests.test_secrecy import Everything

pytestmark = pytest.mark.looptime

MARK = "s3cr3t"
URL = "https://app.example/cable/token"
LOADED = f"https://user-{MARK}:pass-{MARK}@app.example/cable/token?key={MARK}"
NOON = 1_893_499_200
DATE = {"Date": "Tue, 01 Jan 2030 12:00:00 GMT"}


def minted(**claims: Any) -> str:
    """Mint a JWT."""
    return jwt.encode(claims, "k3y-demo-of-thirty-two-characters", algorithm="HS256")


async def failed(provider: EndpointToken) -> TokenUnavailable:
    """Return the error that asking ends with."""
    with pytest.raises(TokenUnavailable) as caught:
        await provider.fetch()
    assert caught.value.retryable
    assert caught.value.label == provider.label
    return caught.value


async def test_the_simplest(httpx2_mock: Router) -> None:
    """A POST without a body, and the token as ``token`` in the answer."""
    route = httpx2_mock.post(URL).respond(json={"token": MARK})
    assert await EndpointToken(URL).fetch() == Token(MARK)
    sent = route.calls.last.request
    assert sent.content == b""
    assert sent.headers["accept"] == "application/json"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.headers["user-agent"] == "cableway"


async def test_any_method_address_and_header(httpx2_mock: Router) -> None:
    """The query is kept as it stands; user and password become a header."""
    route = httpx2_mock.get("https://app.example/t", params={"a": "1", "b": "x/y"}).respond(json={"token": "t"})
    source = EndpointToken("https://u:p%40@app.example/t?a=1&b=x/y", method="get", headers={"X-Key": MARK})
    await source.fetch()
    sent = route.calls.last.request
    assert str(sent.url) == "https://app.example/t?a=1&b=x/y"
    assert sent.headers["authorization"] == "Basic dTpwQA=="
    assert sent.headers["x-key"] == MARK


async def test_json_and_forms(httpx2_mock: Router) -> None:
    """With the type that goes with each, unless another is given."""
    route = httpx2_mock.post(URL).respond(json={"token": "t"})
    bodies = [
        (EndpointToken(URL, json={"a": [1]}), b'{"a": [1]}', "application/json"),
        (EndpointToken(URL, json={}), b"{}", "application/json"),
        (EndpointToken(URL, data={"a": "1 &", "b": "ü"}), b"a=1+%26&b=%C3%BC", "application/x-www-form-urlencoded"),
        (EndpointToken(URL, data=b"\x00raw"), b"\x00raw", None),
        (EndpointToken(URL, data="<t/>", headers={"Content-Type": "text/xml"}), b"<t/>", "text/xml"),
    ]
    for source, content, kind in bodies:
        await source.fetch()
        sent = route.calls.last.request
        assert (sent.content, sent.headers.get("content-type")) == (content, kind)


async def test_functions_are_asked_each_time(httpx2_mock: Router) -> None:
    """For headers and bodies, plain or async: a refresh token may change."""
    route = httpx2_mock.post(URL).respond(json={"token": "t"})
    count = iter(range(9))

    async def headers() -> dict[str, str]:
        await asyncio.sleep(1)
        return {"X-Count": str(next(count))}

    source = EndpointToken(URL, headers=headers, json=lambda: {"refresh": next(count)})
    await source.fetch()
    await source.fetch()
    assert [call.request.headers["x-count"] for call in route.calls] == ["0", "2"]
    assert [json.loads(call.request.content)["refresh"] for call in route.calls] == [1, 3]


async def test_where_the_token_stands(httpx2_mock: Router) -> None:
    """Deep in the JSON, or in a header, and then the body may be anything."""
    httpx2_mock.post(URL).respond(201, json={"data": [{"jwt": "deep"}]})
    assert (await EndpointToken(URL, value="data.0.jwt").fetch()).value == "deep"
    httpx2_mock.post(URL).respond(204, headers={"X-Token": "high", "X-Life": "60"})
    token = await EndpointToken(URL, value="header:x-token", life="header:X-LIFE").fetch()
    assert (token.value, token.life) == ("high", 60)


@pytest.mark.parametrize(
    ("options", "answer", "life", "moment"),
    [
        ({}, {}, None, None),
        ({}, {"expires_in": 60}, 60, NOON + 60),
        ({}, {"expires_at": NOON + 60}, 59, NOON + 60),
        ({}, {"expires_at": "2030-01-01T12:01:00Z"}, 59, NOON + 60),
        ({}, {"exp": NOON - 60}, 0, NOON - 60),
        ({"expires": "ends"}, {"ends": "60"}, 60, NOON + 60),
        ({"expires": "ends"}, {"ends": "Tue, 01 Jan 2030 12:01:00 GMT"}, 59, NOON + 60),
        ({"life": "ends"}, {"ends": 2e9}, 2e9, NOON + 2e9),
        ({"expires_at": "ends"}, {"ends": NOON + 60}, 59, NOON + 60),
        ({"expires_at": "ends"}, {"ends": 0}, 0, 0),
    ],
)
async def test_its_end(httpx2_mock: Router, options: Any, answer: Any, life: float, moment: float) -> None:
    """By the server's clock alone: what ours shows is not asked, so it may be wrong."""
    httpx2_mock.post(URL).respond(json={"token": "t", **answer}, headers=DATE)
    token = await EndpointToken(URL, **options).fetch()
    assert (token.life, token.expires_unix) == (life, moment)


async def test_its_end_without_the_servers_time(httpx2_mock: Router) -> None:
    """A life stays a life, a moment a moment: neither is guessed from the other."""
    for answer, life, moment in (
        ({"expires_in": 60}, 60, None),
        ({"exp": NOON}, None, NOON),
        ({}, None, None),
    ):
        for headers in ({}, {"Date": "now"}, {"Date": "Tue, 01 Jan 2030 12:00:00"}):
            httpx2_mock.post(URL).respond(json={"token": minted(exp=5), **answer}, headers=headers)
            token = await EndpointToken(URL).fetch()
            assert (token.life, token.expires_unix) == (life, moment)


async def test_its_end_in_the_token_itself(httpx2_mock: Router) -> None:
    """A JWT tells when it ends; how long that is, the server's time tells, and the age that a cache gave the answer."""
    httpx2_mock.post(URL).respond(json={"token": minted(exp=NOON + 300)}, headers={**DATE, "Age": "100"})
    token = await EndpointToken(URL).fetch()
    assert (token.life, token.expires_unix) == (199, NOON + 300)


async def test_cookies_are_kept(httpx2_mock: Router) -> None:
    """From the first request on, what the server sets; its own in the place of those we began with."""
    route = httpx2_mock.post(URL)
    route.respond(401, headers=[("Set-Cookie", "session=new; Path=/; HttpOnly"), ("Set-Cookie", "more=1; Path=/")])
    source = EndpointToken(URL, cookies={"session": "old", "stay": "1"})
    await failed(source)
    route.respond(json={"token": "t"})
    await source.fetch()
    first, second = [
        dict(pair.split("=") for pair in call.request.headers["cookie"].split("; ")) for call in route.calls
    ]
    assert first == {"session": "old", "stay": "1"}
    assert second == {"session": "new", "stay": "1", "more": "1"}
    assert route.calls.last.request.headers["cookie"].count("session=") == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (302, "redirects are not followed"),
        (400, "that is no token"),
        (401, "credentials"),
        (403, "forbids"),
        (404, "right address"),
        (405, "method="),
        (429, "too often"),
        (500, "in trouble"),
        (503, "in trouble"),
    ],
)
async def test_a_refusal(httpx2_mock: Router, everything: Everything, status: int, told: str) -> None:
    """The status is told, and what it means; nothing else of the answer. No second request is made."""
    leaky = {"Location": f"https://app.example/?t={MARK}", "Set-Cookie": f"s={MARK}", "X-Token": MARK}
    route = httpx2_mock.post("https://app.example/cable/token").respond(status, headers=leaky, text=MARK)
    source = EndpointToken(LOADED, json={"refresh": MARK}, headers={"X-Key": MARK}, cookies={"c": MARK})
    error = await failed(source)
    assert f"HTTP {status}: " in str(error)
    assert told in str(error)
    assert (error.status, error.retry_after, route.call_count) == (status, None, 1)
    everything.show(error, source)


@pytest.mark.parametrize(
    ("status", "hint", "seconds"),
    [
        (429, "30", 30),
        (503, "7", 7),
        (503, "Tue, 01 Jan 2030 12:01:00 GMT", 60),
        (503, "soon", None),
        (500, "30", None),
        (429, "99999999", 600),
    ],
)
async def test_when_to_ask_again(httpx2_mock: Router, status: int, hint: str, seconds: float | None) -> None:
    """``Retry-After`` of a busy server is a field of the error; absurd ones are clamped."""
    httpx2_mock.post(URL).respond(status, headers={**DATE, "Retry-After": hint})
    assert (await failed(EndpointToken(URL))).retry_after == seconds


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no JSON"),
        (f"<html>{MARK}".encode(), "no JSON"),
        (f'{{"{MARK}": "{MARK}"}}'.encode(), "no 'token'"),
        (f'["{MARK}"]'.encode(), "no 'token'"),
        (b'{"token": null}', "no 'token'"),
        (f'{{"token": ["{MARK}"]}}'.encode(), "is list, not a string"),
        (b'{"token": "", "expires_in": 5}', "the token is empty"),
        (f'{{"token": "{MARK}\\n", "expires_in": 5}}'.encode(), "header cannot carry"),
        (f'{{"token": "{MARK}", "expires_in": "{MARK}"}}'.encode(), "tells no end"),
        (f'{{"token": "{MARK}"}}'.encode(), "no 'expires_in'"),
        (f'{{"token": "{MARK}", "expires_in": {NOON}000}}'.encode(), "milliseconds"),
        (f'{{"token": "{MARK}{"x" * 2**17}", "expires_in": 5}}'.encode(), "the limit is"),
        (MARK.encode() * LARGEST_ANSWER, "larger than the limit"),
        (b"[" * 100_000, "no JSON"),
    ],
    ids=range(14),
)
async def test_garbage(httpx2_mock: Router, everything: Everything, body: bytes, told: str) -> None:
    """It is told what is wrong with the answer, and nothing of what is in it."""
    httpx2_mock.post("https://app.example/cable/token").respond(200, content=body)
    error = await failed(EndpointToken(LOADED, expires="expires_in"))
    assert told in str(error)
    everything.show(error)


async def test_a_compressed_answer(httpx2_mock: Router) -> None:
    """A few bytes of it could be a gigabyte: it is refused before it is read."""
    httpx2_mock.post(URL).respond(200, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert "compressed" in str(await failed(EndpointToken(URL)))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (httpx2.ConnectError("Connection refused"), "no connection: Connection refused"),
        (
            httpx2.ConnectError(f"no way to https://u:{MARK}@h/?t={MARK}"),
            "no connection: no way to https://***@h/?t=***",
        ),
        (httpx2.ReadError(MARK), "the request failed with ReadError"),
        (httpx2.RemoteProtocolError(MARK), "the request failed with RemoteProtocolError"),
        (httpx2.ProxyError(MARK), "the request failed with ProxyError"),
        (RuntimeError(MARK), "the request failed with RuntimeError"),
    ],
)
async def test_no_answer(httpx2_mock: Router, everything: Everything, fault: Exception, told: str) -> None:
    """What the system says of a connection is told; all else may quote what was sent or received."""
    httpx2_mock.post("https://app.example/cable/token").mock(side_effect=fault)
    error = await failed(EndpointToken(LOADED))
    assert error.what == told
    everything.show(error)


async def test_ten_bad_minutes(httpx2_mock: Router) -> None:
    """Whatever came before, the same provider gives a token again as soon as the server does."""
    route = httpx2_mock.post(URL)
    source = EndpointToken(URL)
    for change in (
        lambda: route.respond(500),
        lambda: route.mock(side_effect=httpx2.ConnectError("x")),
        lambda: route.respond(200, text="garbage"),
    ):
        change()
        await failed(source)
    route.mock(side_effect=None)
    route.respond(json={"token": "t"})
    assert await source.fetch() == Token("t")


async def test_functions_that_fail(httpx2_mock: Router, everything: Everything) -> None:
    """Nothing is sent; the error tells which, and its kind."""

    def broken() -> Any:
        raise ValueError(MARK)

    for options, told in (
        ({"headers": broken}, "the headers function failed with ValueError at test_endpoint.py:"),
        ({"json": broken}, "the function that gives the body failed with ValueError at test_endpoint.py:"),
        ({"headers": lambda: {"X": f"{MARK}\n"}}, "the value of the header X holds"),
        ({"headers": lambda: {"X": MARK.encode()}}, "names and values are strings"),
        ({"headers": lambda: MARK}, "headers are str"),
        ({"json": lambda: {MARK.encode()}}, "JSON cannot write"),
        ({"data": lambda: 5}, "data= is int"),
    ):
        error = await failed(EndpointToken(URL, **options))
        assert told in error.what
        everything.show(error)
    assert len(httpx2_mock.calls) == 0


async def test_a_function_may_end_it() -> None:
    """By ``Unauthorized``, as for dials."""
    error = Unauthorized("revoked")

    def fired() -> dict[str, str]:
        raise error

    with pytest.raises(Unauthorized) as caught:
        await EndpointToken(URL, headers=fired).fetch()
    assert caught.value is error


async def test_a_server_that_hangs(httpx2_mock: Router) -> None:
    """The limit is for the whole, the user's functions included."""
    asked = []

    async def hang(request: Any) -> None:
        asked.append(request)
        await asyncio.sleep(1000)

    async def slow() -> dict[str, str]:
        await asyncio.sleep(1000)
        return {}

    route = httpx2_mock.post(URL)
    route.mock(side_effect=hang)
    loop = asyncio.get_running_loop()
    for source in (EndpointToken(URL, timeout=7), EndpointToken(URL, timeout=7, headers=slow)):
        began = loop.time()
        assert "no whole answer within 7 s" in str(await failed(source))
        assert loop.time() - began == pytest.approx(7, abs=0.1)
    assert len(asked) == 1
    route.mock(side_effect=None)
    route.respond(json={"token": "t"})
    assert await EndpointToken(URL, timeout=7).fetch() == Token("t")


async def test_a_time_out_of_the_users_own_is_not_ours() -> None:
    """A function that gives up says so in its own name."""

    async def impatient() -> dict[str, str]:
        async with asyncio.timeout(1):
            await asyncio.sleep(5)
        return {}

    error = await failed(EndpointToken(URL, headers=impatient))
    assert "the headers function failed with TimeoutError" in error.what


async def test_cancelling_leaves_nothing(httpx2_mock: Router) -> None:
    """No task; and the next call works."""

    async def hang(_: Any) -> None:
        await asyncio.sleep(1000)

    route = httpx2_mock.post(URL)
    route.mock(side_effect=hang)
    source = EndpointToken(URL)
    before = asyncio.all_tasks()
    task = background(source.fetch())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
    route.mock(side_effect=None)
    route.respond(json={"token": "t"})
    assert await source.fetch() == Token("t")


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: EndpointToken("http://app.example/t"), InvalidURL, "allow_insecure"),
        (lambda: EndpointToken("wss://app.example/t"), InvalidURL, "over HTTP"),
        (lambda: EndpointToken("app.example"), InvalidURL, "must begin with"),
        (lambda: EndpointToken(URL, method="GET /x"), UsageError, "method="),
        (lambda: EndpointToken(URL, headers={"X": f"{MARK}\n"}), InvalidHeader, "the header X"),
        (lambda: EndpointToken(URL, headers={"X\n": MARK}), InvalidHeader, "no name"),
        (lambda: EndpointToken(URL, headers={"Host": MARK}), InvalidHeader, "itself"),
        (lambda: EndpointToken(URL, cookies={"c": f"{MARK};"}), InvalidHeader, "the cookie"),
        (lambda: EndpointToken(URL, json={MARK.encode()}), UsageError, "JSON cannot write"),
        (lambda: EndpointToken(URL, json=float("nan")), UsageError, "JSON cannot write"),
        (lambda: EndpointToken(URL, data={"a": 5}), UsageError, "data="),  # type: ignore[dict-item]
        (lambda: EndpointToken(URL, data="a", json={}), UsageError, "two bodies"),
        (lambda: EndpointToken(URL, headers=lambda x: {}), UsageError, "needs arguments"),  # type: ignore[misc]
        (lambda: EndpointToken(URL, value=""), UsageError, "value="),
        (lambda: EndpointToken(URL, life=""), UsageError, "life="),
        (lambda: EndpointToken(URL, life="a", expires_at="b"), UsageError, "both tell"),
        (lambda: EndpointToken(URL, timeout=0), UsageError, "timeout="),
        (lambda: EndpointToken(URL, timeout=-1), ValueError, "timeout="),
    ],
)
def test_what_could_never_work(make: Callable[[], Any], error: type[Exception], told: str) -> None:
    """It is refused when it is given, in words without secrets."""
    with pytest.raises(error, match=told) as caught:
        make()
    assert MARK not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/t", "http://[::1]/t", "http://localhost/t"])
def test_plain_http_on_this_machine(url: str) -> None:
    """Nobody is on the way there."""
    assert EndpointToken(url).label == url


async def test_plain_http_on_purpose(httpx2_mock: Router) -> None:
    """Somebody else may guard the way."""
    httpx2_mock.post("http://app.example/t").respond(json={"token": "t"})
    assert await EndpointToken("http://app.example/t", allow_insecure=True).fetch() == Token("t")


def test_what_it_shows() -> None:
    """The address without its secrets."""
    source = EndpointToken(LOADED, headers={"X": MARK}, json={"a": MARK}, cookies={"c": MARK})
    assert source.label == "https://***@app.example/cable/token?key=***"
    assert repr(source) == f"EndpointToken({source.label!r})"
    assert MARK not in repr(source._question)
    assert source.renewable is True


def test_the_http_library_is_loaded_by_the_first_request() -> None:
    """Who imports the package does not wait for it."""
    program = (
        "import sys; from cableway.auth.providers.endpoint import EndpointToken; EndpointToken('https://h/'); "
        "assert not {'httpx2', 'jwt'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
