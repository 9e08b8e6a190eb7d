"""Publishing over HTTP."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

from cableway.errors import InvalidPayload, InvalidURL, PublishFailed, UsageError
from cableway.gateway import Gateway
from cableway.server import Publisher, broadcast_key, broadcast_url, publish, sign_stream, verify_stream
from tests.conformance.raw_client import RawClient, identifier, stream
from tests.conformance.servers import Server, locked_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET = "k3y-demo"


@pytest.fixture(params=["gateway", pytest.param("anycable", marks=pytest.mark.interop)])
async def locked(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that takes publications only with the key: Cableway's, and a real AnyCable."""
    async with locked_server(request.param) as running:
        yield running


@pytest.mark.parametrize(
    ("given", "posted"),
    [
        ("https://example.com", "https://example.com/_broadcast"),
        ("https://example.com/", "https://example.com/_broadcast"),
        ("wss://example.com/cable", "https://example.com/_broadcast"),
        ("ws://127.0.0.1:8080/cable?token=x#y", "http://127.0.0.1:8080/_broadcast"),
        ("http://example.com/cable/", "http://example.com/_broadcast"),
        ("https://example.com/app/cable", "https://example.com/app/_broadcast"),
        ("wss://example.com/app/socket", "https://example.com/app/_broadcast"),
        ("https://example.com/api/publish", "https://example.com/api/publish"),
        ("https://example.com/_broadcast", "https://example.com/_broadcast"),
        ("WSS://example.com/cable", "https://example.com/_broadcast"),
        ("ws://[::1]:8080", "http://[::1]:8080/_broadcast"),
    ],
)
def test_the_address_of_the_server_is_enough(given: str, posted: str) -> None:
    """The client's address, the server's, or the full one."""
    assert broadcast_url(given) == posted


@pytest.mark.parametrize("url", ["example.com", "ftp://example.com", "http://", "https://user:hush@example.com/", 7])
def test_what_is_no_address_is_refused(url: Any) -> None:
    """No secret of it is told."""
    with pytest.raises(InvalidURL) as error:
        broadcast_url(url)
    assert "hush" not in str(error.value)


async def test_any_json_value_is_published(locked: Server) -> None:
    """Text that looks like JSON stays text; only null is changed, by both servers."""
    values = [{"a": [1, "ä👋"]}, "text", "42", "true", 42, True, False, 0, "", [], None]
    async with RawClient(locked.url) as client, Publisher(locked.broadcast_url, secret=SECRET) as publisher:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        for value in values:
            await publisher.publish("a", value)
            await client.expect_message(target, "null" if value is None else value)


async def test_a_batch_keeps_its_order(locked: Server) -> None:
    """Many streams, one request; none at all is no request."""
    async with RawClient(locked.url) as client, Publisher(locked.broadcast_url, secret=SECRET) as publisher:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await publisher.publish_batch([])
        await publisher.publish_batch([("a", 1), ("b", 2), ("a", 3)])
        await client.expect_message(target, 1)
        await client.expect_message(target, 3)


async def test_one_client_can_be_left_out(locked: Server) -> None:
    """By its session's id."""
    async with (
        RawClient(locked.url, headers={"X-Request-ID": "me"}) as client,
        Publisher(locked.broadcast_url, secret=SECRET) as publisher,
    ):
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await publisher.publish("a", 1, exclude="me")
        await publisher.publish("a", 2, exclude="you")
        await client.expect_message(target, 2)


@pytest.mark.parametrize("reconnect", [True, False])
@pytest.mark.parametrize("who", ['{"sid":"me"}', {"sid": "me"}])
async def test_a_client_is_disconnected(locked: Server, who: Any, *, reconnect: bool) -> None:
    """By its identifiers, as text or as a mapping."""
    async with (
        RawClient(locked.url, headers={"X-Request-ID": "me"}) as client,
        Publisher(locked.broadcast_url, secret=SECRET) as publisher,
    ):
        await client.welcomed()
        await publisher.disconnect(who, reconnect=reconnect)
        await client.expect(type="disconnect", reason="remote", reconnect=reconnect)


async def test_without_asyncio_one_call_publishes(locked: Server) -> None:
    """The same, from a plain thread."""
    async with RawClient(locked.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await asyncio.to_thread(publish, locked.broadcast_url, "a", {"n": 1}, key=broadcast_key(SECRET))
        await client.expect_message(target, {"n": 1})


async def test_a_wrong_key_is_told_clearly(locked: Server) -> None:
    """With the status, and what to give; trying again would not help."""
    with pytest.raises(PublishFailed, match="HTTP 401: the key or secret is missing or wrong") as failed:
        async with Publisher(locked.broadcast_url, key="wrong") as publisher:
            await publisher.publish("a", 1)
    assert (failed.value.status, failed.value.retryable) == (401, False)
    with pytest.raises(PublishFailed, match="HTTP 401"):
        await asyncio.to_thread(publish, locked.broadcast_url, "a", 1)


async def test_a_public_gateway_needs_no_key() -> None:
    """The client's address is enough."""
    async with Gateway(public=True) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        async with Publisher(gateway.url) as publisher:
            await publisher.publish("a", 1)
            await publisher.aclose()
            await publisher.publish("a", 2)
        await client.expect_message(target, 1)
        await client.expect_message(target, 2)


async def test_a_server_that_is_not_there_is_told_clearly() -> None:
    """It may be there later."""
    gateway = Gateway()
    await gateway.start()
    await gateway.stop()
    with pytest.raises(PublishFailed, match=r"did not answer.*is it running") as failed:
        async with Publisher(gateway.url) as publisher:
            await publisher.publish("a", 1)
    assert (failed.value.status, failed.value.retryable) == (None, True)
    with pytest.raises(PublishFailed, match="did not answer"):
        await asyncio.to_thread(publish, gateway.url, "a", 1)


@pytest.mark.parametrize(
    ("status", "text", "retryable"),
    [
        (200, "that is no server that takes publications", False),
        (302, "that is no server that takes publications", False),
        (404, "nothing takes publications there", False),
        (405, "nothing takes publications there", False),
        (413, "too large", False),
        (422, "could not read the publication", False),
        (429, "that is no server that takes publications", True),
        (501, "broker could not take it", True),
        (503, "in trouble; try again", True),
    ],
)
async def test_each_status_has_its_hint(status: int, text: str, *, retryable: bool) -> None:
    """Only 201 is a success: a web page that happens to live there answers 200."""
    async with _answering(status) as url, Publisher(url) as publisher:
        with pytest.raises(PublishFailed, match=f"HTTP {status}: .*{text}") as failed:
            await publisher.publish("a", 1)
    assert (failed.value.status, failed.value.retryable) == (status, retryable)


@pytest.mark.looptime
async def test_a_server_that_never_answers_is_given_up() -> None:
    """After the time allowed."""
    async with _answering(201, after=3600) as url, Publisher(url, timeout=2) as publisher:
        with pytest.raises(PublishFailed, match="did not answer"):
            await publisher.publish("a", 1)


class _answering:  # noqa: N801 - used as a function
    """A web server that answers everything with one status."""

    def __init__(self, status: int, after: float = 0) -> None:
        self._status = status
        self._after = after

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(self._after)
        return web.Response(status=self._status, headers={"Location": "/"} if self._status == 302 else None)

    async def __aenter__(self) -> str:
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_error: object) -> None:
        await self._runner.cleanup()


async def test_certificates_are_checked_unless_trusted(tmp_path: Path) -> None:
    """A private authority is trusted through a context of one's own."""
    authority = trustme.CA()
    pem = tmp_path / "all.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with Gateway(public=True, ssl_cert=str(pem), ssl_key=str(pem)) as gateway:
        async with Publisher(gateway.url, ssl=trusting) as publisher:
            await publisher.publish("a", 1)
        with pytest.raises(PublishFailed, match="did not answer"):
            async with Publisher(gateway.url) as publisher:
                await publisher.publish("a", 1)
        assert gateway.stats().broadcasts == 1


@pytest.mark.parametrize(
    ("stream_name", "data"), [("", 1), (7, 1), ("a", object()), ("a", float("nan")), ("a", "\ud800")]
)
async def test_what_cannot_be_published_is_refused_before_anything_is_sent(stream_name: Any, data: Any) -> None:
    """The error tells which of the two it is."""
    async with Publisher("http://127.0.0.1:9") as publisher:
        with pytest.raises(InvalidPayload):
            await publisher.publish(stream_name, data)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"secret": "a", "key": "b"}, "give one of them"),
        ({"secret": ""}, "the secret is empty"),
        ({"key": " "}, "key= is empty"),
        ({"key": "a\nb"}, "that a header cannot carry"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, str], text: str) -> None:
    """When it is built, not when it is needed."""
    with pytest.raises(UsageError, match=text):
        Publisher("https://example.com", **options)  # type: ignore[arg-type]


def test_a_publisher_does_not_tell_its_key() -> None:
    """Its text is safe in a log."""
    publisher = Publisher("https://example.com/cable?token=hush", secret="hush")
    assert repr(publisher) == "Publisher('https://example.com/_broadcast')"
    assert "hush" not in repr(vars(publisher))
    assert broadcast_key("hush") not in repr(vars(publisher))


async def test_what_a_back_end_signs_a_gateway_opens() -> None:
    """The three tools share one secret."""
    signed = sign_stream("room/7", SECRET)
    assert verify_stream(signed, SECRET) == "room/7"
    async with Gateway(secret=SECRET) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("$pubsub", signed_stream_name=signed))
        async with Publisher(gateway.url, secret=SECRET) as publisher:
            await publisher.publish("room/7", "hi")
        await client.expect_message(target, "hi")


def test_importing_it_loads_no_http_library() -> None:
    """Back ends that only sign names do not pay for publishing."""
    program = "import sys, cableway.server; print('httpx2' in sys.modules, 'aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
