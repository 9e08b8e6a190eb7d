"""A policy from a server: fetched, checked, kept, handed on; against a web server of the same loop, on virtual time."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import random
import re
import ssl
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web
from attrs import define, field

from cableway import runtime
from cableway.errors import BadPolicy, CableError, InvalidHeader, InvalidURL, PolicyFailed, UsageError, WrongLoop
from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.remote import LARGEST, Policy, sign_policy
from cableway.remote import RemotePolicy
from tests.scripted import background, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.looptime

SECRET = "k3y-demo"
NIGHT = {"minimum": 0.2, "maximum": 30, "factor": 2, "jitter": 0.5}
DOCS = Path(__file__).resolve().parent.parent / "docs" / "remote-policy.md"


def document(**parts: Any) -> bytes:
    """Write a document."""
    return json.dumps({"version": 1, **parts}).encode()


@define
class Desk:
    """A web server that hands out a policy, and notes who asked."""

    body: bytes = document(backoff=NIGHT)
    etag: str | None = None
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    secret: str | None = None
    delay: float = 0
    pieces: int = 0
    """Without end, that many bytes a second."""
    tls: ssl.SSLContext | None = None
    asked: list[web.BaseRequest] = field(factory=list)
    times: list[float] = field(factory=list)
    port: int = 0
    server: web.Server = field(init=False)
    _runner: Any = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/policy.json"

    async def start(self) -> None:
        """Listen, after a stop on the same port."""
        self.server = web.Server(self._answer, access_log=None)
        self._runner = web.ServerRunner(self.server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Leave nobody there."""
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.delay)
        headers = dict(self.headers)
        if self.etag is not None:
            headers["ETag"] = self.etag
            if request.headers.get("If-None-Match") == self.etag:
                return web.Response(status=304, headers=headers)
        if self.secret is not None:
            headers["X-Cableway-Signature"] = sign_policy(self.body, self.secret)
        if self.pieces:
            return await self._endless(request)
        return web.Response(status=self.status, headers=headers, body=self.body)

    async def _endless(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None:
            await response.write(b" " * self.pieces)
            await asyncio.sleep(1)
        return response


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Desk]:
    """Give a web server."""
    desk = Desk(**options)
    await desk.start()
    try:
        yield desk
    finally:
        await desk.stop()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """Give a web server with the policy that ended the storm."""
    async with serving() as desk:
        yield desk


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the waits the same in each run."""
    monkeypatch.setattr("cableway.remote.new_random", lambda: random.Random(7))


def tasks() -> list[asyncio.Task[Any]]:
    """Name the tasks of remote policies."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "cableway remote policy"]


async def left_over(desk: Desk) -> tuple[int, int]:
    """Count the tasks of ours and the connections that the server still sees."""
    await settle()
    return len(tasks()), len([one for one in desk.server.connections if one.transport is not None])


# What is taken --------------------------------------------------------------------------------------------------------


async def test_who_attaches_gets_the_policy_at_once(desk: Desk) -> None:
    """A client that starts in the storm must not join it."""
    remote, got = RemotePolicy(desk.url), list[Policy]()
    detach = remote.attach(got.append)
    await asyncio.sleep(1)

    assert [policy.backoff for policy in got] == [ExponentialBackoff(0.2, 30, 2, 0.5)]
    assert (remote.policy, remote.failures, remote.error) == (got[0], 0, None)
    assert remote.fetched_at == pytest.approx(runtime.wall_clock(), abs=10)
    detach()


async def test_it_is_fetched_again_give_or_take_a_tenth(desk: Desk) -> None:
    """A crowd must not ask in step."""
    detach = RemotePolicy(desk.url, every=100).attach(lambda _: None)
    await asyncio.sleep(3000)
    detach()

    gaps = [later - earlier for earlier, later in zip(desk.times, desk.times[1:], strict=False)]
    assert len(gaps) >= 27
    assert all(89 < gap < 112 for gap in gaps)
    assert max(gaps) - min(gaps) > 10


async def test_a_new_policy_reaches_a_running_client(desk: Desk) -> None:
    """No restart, no deployment."""
    got: list[Policy] = []
    detach = RemotePolicy(desk.url, every=100).attach(got.append)
    await asyncio.sleep(10)
    desk.body = document(monitor={"grace": 9}, dial_gate={"rate": 2, "burst": 4})
    await asyncio.sleep(120)
    detach()

    assert len(got) == 2
    assert got[1] == Policy(monitor={"grace": 9.0}, dial_gate=(2.0, 4))


async def test_what_sets_the_same_is_not_applied_again(desk: Desk) -> None:
    """However it is written, and whatever its serial is."""
    remote, got = RemotePolicy(desk.url, every=10), list[Policy]()
    detach = remote.attach(got.append)
    await asyncio.sleep(15)
    desk.body = json.dumps({"serial": 5, "backoff": NIGHT, "version": 1}, indent=4).encode()
    await asyncio.sleep(30)
    detach()

    assert len(desk.asked) >= 4
    assert len(got) == 1
    assert remote.policy is not None
    assert remote.policy.serial == 5


async def test_an_unchanged_document_is_not_sent_again(desk: Desk) -> None:
    """The server's tag goes back to it, and its 304 counts as an answer."""
    desk.etag = '"v1"'
    remote, got = RemotePolicy(desk.url, every=10), list[Policy]()
    detach = remote.attach(got.append)
    await asyncio.sleep(25)
    desk.body, desk.etag = document(backoff={"minimum": 3}), 'W/"v2"'
    await asyncio.sleep(25)
    detach()

    told = [request.headers.get("If-None-Match") for request in desk.asked]
    assert told[0] is None
    assert told[1:] == ['"v1"'] * told.count('"v1"') + ['W/"v2"'] * told.count('W/"v2"')
    assert told.count('W/"v2"') >= 1
    assert len(got) == 2
    assert remote.failures == 0


async def test_the_tag_of_a_refused_document_is_not_sent(desk: Desk) -> None:
    """A server would answer that it is still the same, and the client would take that for good news."""
    desk.etag, desk.body = '"bad"', b"junk"
    remote = RemotePolicy(desk.url)
    for _ in range(2):
        with pytest.raises(PolicyFailed):
            await remote.refresh()
    assert "If-None-Match" not in desk.asked[1].headers


@pytest.mark.parametrize("etag", ["naked", '"' + "x" * 300 + '"', '"\xe4"'])
async def test_an_odd_tag_is_not_sent_back(desk: Desk, etag: str) -> None:
    """It is not worth a broken request."""
    desk.headers["ETag"] = etag
    remote = RemotePolicy(desk.url)
    assert await remote.refresh()
    assert not await remote.refresh()
    assert "If-None-Match" not in desk.asked[1].headers


async def test_names_that_are_not_understood_are_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """They do no harm, and cannot write into a log what they like."""
    desk.body = document(backoff=NIGHT, **{"co\nlour": 1, "x" * 500: 2})
    remote = RemotePolicy(desk.url)
    await remote.refresh()
    await remote.refresh()

    told = [record.getMessage() for record in caplog.records if "not understood" in record.getMessage()]
    assert len(told) == 1
    assert "co lour, xxx" in told[0]
    assert len(told[0]) < 200


# What is sent ---------------------------------------------------------------------------------------------------------


async def test_the_request_asks_for_little_and_follows_nothing(desk: Desk) -> None:
    """As it is, uncompressed, on a connection that is not kept."""
    await RemotePolicy(desk.url, headers={"X-Fleet": "north", "Accept-Encoding": "gzip"}).refresh()
    sent = desk.asked[0].headers

    assert (sent["Accept-Encoding"], sent["Connection"], sent["X-Fleet"]) == ("identity", "close", "north")
    assert (sent["User-Agent"], sent["Accept"]) == ("cableway", "application/json")


async def test_user_password_and_query_reach_the_server_and_no_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither ours nor that of the library below, however much it is made to tell."""
    caplog.set_level(logging.DEBUG)
    url = desk.url.replace("http://", "http://joe:s%33same@") + "?token=hush&x=ä%20b#part"
    remote = RemotePolicy(url, headers={"X-Key": "topsecret"}, verify="signing-secret")
    with pytest.raises(PolicyFailed, match="no X-Cableway-Signature") as failed:
        await remote.refresh()
    desk.secret = "signing-secret"
    assert await remote.refresh()

    assert desk.asked[0].headers["Authorization"] == "Basic am9lOnMzc2FtZQ=="
    assert desk.asked[0].path_qs == "/policy.json?token=hush&x=%C3%A4%20b"
    told = caplog.text + repr(remote) + repr(vars(remote)) + str(failed.value) + repr(failed.value.url)
    assert "HTTP Request: GET" in caplog.text
    for secret in ("s%33same", "s3same", "hush", "topsecret", "signing-secret", "am9l"):
        assert secret not in told


async def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is trusted because it is near must not go far."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert await RemotePolicy(desk.url).refresh()


async def test_certificates_are_checked_unless_trusted(tmp_path: Path) -> None:
    """A private authority is trusted through a context of one's own."""
    authority = trustme.CA()
    ours, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(trusting)
    async with serving(tls=ours) as desk:
        with pytest.raises(PolicyFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await RemotePolicy(desk.url).refresh()
        assert await RemotePolicy(desk.url, ssl=trusting).refresh()


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"body": b"junk"}, "not JSON"),
        ({"body": b"<html>"}, "not JSON"),
        ({"body": b""}, "not JSON"),
        ({"body": document(backoff={"minimum": 0.001})}, "from 0.05 to 60"),
        ({"body": document() + b" " * LARGEST}, "larger than the limit of 16384 bytes"),
        ({"body": document() + b" " * 5_000_000}, "larger than the limit of 16384 bytes"),
        ({"body": gzip.compress(document()), "headers": {"Content-Encoding": "gzip"}}, "came compressed"),
        ({"status": 302, "headers": {"Location": "/other"}}, "HTTP 302: redirects are not followed"),
        ({"status": 401}, "HTTP 401: credentials are missing"),
        ({"status": 404}, "HTTP 404: nothing is there"),
        ({"status": 304}, "HTTP 304"),
        ({"status": 204}, "HTTP 204: that is no policy"),
    ],
)
async def test_what_cannot_be_taken_leaves_the_last_good_one(desk: Desk, change: dict[str, Any], text: str) -> None:
    """It is told why, and trying again with nothing changed is of no use."""
    remote = RemotePolicy(desk.url)
    assert await remote.refresh()
    good = remote.policy
    for name, value in change.items():
        setattr(desk, name, value)
    with pytest.raises(PolicyFailed, match=re.escape(text)) as failed:
        await remote.refresh()

    assert isinstance(failed.value, CableError)
    assert failed.value.retryable is False
    assert failed.value.status == change.get("status")
    assert (remote.policy, remote.failures, remote.error) == (good, 1, failed.value)
    assert await left_over(desk) == (0, 0)


async def test_a_bad_document_is_the_cause_of_its_error(desk: Desk) -> None:
    """Who wants to know more finds it there."""
    desk.body = b"[]"
    with pytest.raises(PolicyFailed) as failed:
        await RemotePolicy(desk.url).refresh()
    assert isinstance(failed.value.__cause__, BadPolicy)


async def test_a_document_without_end_is_not_read_to_its_end(desk: Desk) -> None:
    """It is given up with the first byte too many, well before the time is."""
    desk.pieces = 9000
    start = asyncio.get_running_loop().time()
    with pytest.raises(PolicyFailed, match="larger than the limit"):
        await RemotePolicy(desk.url, timeout=3600).refresh()
    assert asyncio.get_running_loop().time() - start < 5
    assert await left_over(desk) == (0, 0)


@pytest.mark.parametrize("change", [{"pieces": 1}, {"delay": 3600}])
async def test_a_server_that_spins_it_out_is_given_up(desk: Desk, change: dict[str, int]) -> None:
    """The limit is for the whole answer: a byte a second does not stretch it."""
    for name, value in change.items():
        setattr(desk, name, value)
    start = asyncio.get_running_loop().time()
    with pytest.raises(PolicyFailed, match="no whole answer within 10 s") as failed:
        await RemotePolicy(desk.url).refresh()
    assert failed.value.retryable
    assert asyncio.get_running_loop().time() - start == pytest.approx(10, abs=0.1)
    assert await left_over(desk) == (0, 0)


async def test_a_server_that_speaks_no_http_is_told() -> None:
    """Whatever comes, it is a failure like any other."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(PolicyFailed, match="RemoteProtocolError") as failed:
        await RemotePolicy(f"http://127.0.0.1:{port}/").refresh()
    assert failed.value.retryable
    server.close()
    await server.wait_closed()


async def test_with_a_secret_only_what_is_signed_counts(desk: Desk) -> None:
    """Unsigned, signed by another, changed on its way: none of them."""
    remote = RemotePolicy(desk.url, verify=SECRET)
    with pytest.raises(PolicyFailed, match="has no X-Cableway-Signature header"):
        await remote.refresh()
    desk.secret = "another"
    with pytest.raises(PolicyFailed, match="not signed with the secret we have"):
        await remote.refresh()
    desk.secret, desk.headers["X-Cableway-Signature"] = None, sign_policy(document(), SECRET)
    with pytest.raises(PolicyFailed, match="not signed with the secret we have"):
        await remote.refresh()
    assert remote.policy is None

    desk.headers.clear()
    desk.secret = SECRET
    assert await remote.refresh()


async def test_an_old_document_does_not_come_back(desk: Desk) -> None:
    """However rightly it was signed, once."""
    remote = RemotePolicy(desk.url, verify=SECRET)
    desk.secret, desk.body = SECRET, document(serial=7, backoff={"minimum": 5})
    assert await remote.refresh()
    good = remote.policy

    desk.body = document(serial=6, backoff={"minimum": 1})
    with pytest.raises(PolicyFailed, match="has serial 6, after one with serial 7"):
        await remote.refresh()
    desk.body = document(backoff={"minimum": 1})
    with pytest.raises(PolicyFailed, match="has no serial, after one with serial 7"):
        await remote.refresh()
    assert remote.policy == good

    desk.body = document(serial=8, backoff={"minimum": 1})
    assert await remote.refresh()


# Failures in the background -------------------------------------------------------------------------------------------


async def test_a_server_that_is_down_is_asked_again_with_backoff(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Sooner than usual, ever less often, told once; once it is up, all is as before."""
    remote, got = RemotePolicy(desk.url, every=100), list[Policy]()
    await desk.stop()
    detach = remote.attach(got.append)
    await asyncio.sleep(1000)

    assert 12 <= remote.failures <= 25
    assert remote.error is not None
    assert remote.error.retryable
    assert got == []
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "ConnectError" in warnings[0].getMessage()

    await desk.start()
    await asyncio.sleep(200)
    assert len(got) == 1
    assert (remote.failures, remote.error) == (0, None)
    detach()


async def test_the_first_wait_after_a_failure_is_short(desk: Desk) -> None:
    """5 s give or take a half, then twice that."""
    desk.status = 500
    detach = RemotePolicy(desk.url).attach(lambda _: None)
    await asyncio.sleep(400)
    detach()

    gaps = [later - earlier for earlier, later in zip(desk.times, desk.times[1:], strict=False)]
    for gap, middle in zip(gaps[:5], [5, 10, 20, 40, 80], strict=True):
        assert middle * 0.5 <= gap <= middle * 1.5 + 0.1


async def test_a_short_period_is_not_made_longer_by_failures(desk: Desk) -> None:
    """Who asks every two seconds does not wait five after a failure."""
    desk.status = 500
    detach = RemotePolicy(desk.url, every=2).attach(lambda _: None)
    await asyncio.sleep(20)
    detach()
    assert 7 <= len(desk.asked) <= 20


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_for_peace_gets_it(desk: Desk, status: int) -> None:
    """Not a moment sooner, and a little later, each at its own time."""
    desk.status, desk.headers["Retry-After"] = status, "200"
    remote = RemotePolicy(desk.url)
    detach = remote.attach(lambda _: None)
    await asyncio.sleep(199)
    assert len(desk.asked) == 1
    assert remote.error is not None
    assert (remote.error.retryable, remote.error.retry_after) == (True, 200)
    await asyncio.sleep(22)
    assert len(desk.asked) == 2
    detach()


@pytest.mark.parametrize("hint", ["junk", "-5", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_hint_that_says_nothing_is_none(desk: Desk, hint: str) -> None:
    """The usual wait remains."""
    desk.status, desk.headers["Retry-After"] = 503, hint
    detach = RemotePolicy(desk.url).attach(lambda _: None)
    await asyncio.sleep(8)
    assert len(desk.asked) == 2
    detach()


async def test_no_hint_silences_clients_for_good(desk: Desk) -> None:
    """What is absurd is obeyed for ten minutes."""
    desk.status, desk.headers["Retry-After"] = 503, "9" * 40
    detach = RemotePolicy(desk.url).attach(lambda _: None)
    await asyncio.sleep(700)
    assert len(desk.asked) == 2
    detach()


async def test_each_kind_of_failure_is_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """An outage is no flood of lines; what changes is told, and so is its end."""
    caplog.set_level(logging.INFO, "cableway")
    remote = RemotePolicy(desk.url)
    for status in (500, 500, 404, 404, 500, 200):
        desk.status = status
        with suppress(PolicyFailed):
            await remote.refresh()
    told = [record.getMessage() for record in caplog.records if record.name == "cableway.remote"]

    assert [re.findall(r"HTTP \d+|answers again, failures before: 5|new policy", line) for line in told] == [
        ["HTTP 500"],
        ["HTTP 404"],
        ["HTTP 500"],
        ["answers again, failures before: 5"],
        ["new policy"],
    ]


async def test_an_unchanged_document_ends_a_failure(desk: Desk) -> None:
    """What is still good is confirmed, and the age of it is that of the confirmation."""
    desk.etag = '"1"'
    remote = RemotePolicy(desk.url)
    await remote.refresh()
    desk.etag, desk.status = None, 500
    with pytest.raises(PolicyFailed):
        await remote.refresh()
    remote.fetched_at = None
    desk.etag, desk.status = '"1"', 200
    assert await remote.refresh() is False
    assert desk.asked[-1].headers["If-None-Match"] == '"1"'
    assert (remote.failures, remote.error) == (0, None)
    assert remote.fetched_at is not None


# Many, few and none ---------------------------------------------------------------------------------------------------


async def test_one_fetch_is_for_all(desk: Desk) -> None:
    """Ten cables, one request; and each of them is told."""
    remote, got = RemotePolicy(desk.url), list[int]()
    detaches = [remote.attach(lambda _, n=n: got.append(n)) for n in range(10)]  # type: ignore[misc]
    await asyncio.sleep(1)
    assert (len(desk.asked), got, len(tasks())) == (1, list(range(10)), 1)

    late: list[Policy] = []
    detaches.append(remote.attach(late.append))
    assert late == [remote.policy]
    await asyncio.sleep(1)
    assert len(desk.asked) == 1
    for detach in detaches:
        detach()
    assert await left_over(desk) == (0, 0)


async def test_the_last_to_leave_ends_it(desk: Desk) -> None:
    """No task, no socket; who left hears nothing more, and leaving twice is leaving once."""
    remote, got = RemotePolicy(desk.url, every=10), list[str]()
    one, two = remote.attach(lambda _: got.append("one")), remote.attach(lambda _: got.append("two"))
    await asyncio.sleep(1)
    one()
    one()
    desk.body = document()
    await asyncio.sleep(12)
    assert got == ["one", "two", "two"]
    assert len(tasks()) == 1
    two()
    asked = len(desk.asked)
    assert await left_over(desk) == (0, 0)
    await asyncio.sleep(100)
    assert len(desk.asked) == asked


async def test_one_function_attached_twice_is_told_twice(desk: Desk) -> None:
    """And ends once at a time."""
    remote, got = RemotePolicy(desk.url), list[Policy]()
    detaches = [remote.attach(got.append) for _ in range(2)]
    await settle()
    assert len(got) == 2
    detaches[0]()
    desk.body = document()
    await remote.refresh()
    assert len(got) == 3
    detaches[1]()


async def test_leaving_in_the_middle_of_a_fetch_leaves_nothing(desk: Desk) -> None:
    """Its socket is closed by the time that ``released`` returns."""
    desk.delay = 5
    remote = RemotePolicy(desk.url)
    detach = remote.attach(lambda _: None)
    await asyncio.sleep(1)
    assert await left_over(desk) == (1, 1)
    detach()
    await remote.released()
    assert tasks() == []
    assert await left_over(desk) == (0, 0)
    assert (remote.failures, remote.error) == (0, None)


async def test_released_does_not_wait_for_others(desk: Desk) -> None:
    """Who is still attached keeps the task, and that is as it should be."""
    remote = RemotePolicy(desk.url)
    await remote.released()
    one, two = remote.attach(lambda _: None), remote.attach(lambda _: None)
    one()
    await asyncio.wait_for(remote.released(), 1)
    two()
    two_again = remote.attach(lambda _: None)
    await asyncio.wait_for(remote.released(), 1)
    assert await left_over(desk) == (1, 0)
    two_again()


async def test_coming_back_soon_does_not_ask_again(desk: Desk) -> None:
    """A cable that is opened and closed asks no more often than one that stays, and starts with what is there."""
    remote, got = RemotePolicy(desk.url, every=100), list[Policy]()
    for _ in range(5):
        detach = remote.attach(got.append)
        await asyncio.sleep(10)
        detach()
    assert (len(desk.asked), len(got)) == (1, 5)


async def test_a_function_that_fails_stops_no_other(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Its error is in the log, and the next fetch comes."""
    remote, got = RemotePolicy(desk.url, every=10), list[Policy]()

    def fail(policy: Policy) -> None:
        msg = "mine"
        raise ValueError(msg)

    detaches = [remote.attach(fail), remote.attach(got.append)]
    await asyncio.sleep(1)
    desk.body = document()
    await asyncio.sleep(12)

    assert len(got) == 2
    assert remote.failures == 0
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert errors[0].exc_info is not None
    for detach in detaches:
        detach()


async def test_a_function_may_end_itself_and_others(desk: Desk) -> None:
    """Who was ended is not called any more, not even in the same round."""
    remote, got = RemotePolicy(desk.url), list[str]()
    detaches: list[Any] = []

    def leave(policy: Policy) -> None:
        got.append("first")
        for detach in detaches:
            detach()

    detaches += [remote.attach(leave), remote.attach(lambda _: got.append("second"))]
    await asyncio.sleep(1)
    assert got == ["first"]
    assert await left_over(desk) == (0, 0)


async def test_a_function_may_attach_another(desk: Desk) -> None:
    """The new one is told once, in the round in which it came."""
    remote, got = RemotePolicy(desk.url), list[str]()
    detaches: list[Any] = []
    detaches.append(remote.attach(lambda _: detaches.append(remote.attach(lambda _: got.append("new")))))
    await asyncio.sleep(1)
    assert got == ["new"]
    for detach in detaches:
        detach()


# On a battery ---------------------------------------------------------------------------------------------------------


async def test_while_all_are_dormant_nothing_is_fetched(desk: Desk) -> None:
    """It would wake the radio. What is due waits until one wakes, and comes then at once, and once."""
    awake: set[str] = set()
    remote = RemotePolicy(desk.url, every=100)
    detaches = [remote.attach(lambda _: None, lambda name=name: name in awake) for name in "ab"]  # type: ignore[misc]
    await asyncio.sleep(1000)
    assert desk.asked == []

    awake.add("b")
    remote.nudge()
    remote.nudge()
    await settle()
    assert len(desk.asked) == 1
    await asyncio.sleep(120)
    assert len(desk.asked) == 2
    for detach in detaches:
        detach()


async def test_a_nudge_before_its_time_fetches_nothing(desk: Desk) -> None:
    """Neither now nor later, once all are dormant again."""
    remote, awake = RemotePolicy(desk.url, every=100), [True]
    detach = remote.attach(lambda _: None, lambda: awake[0])
    await asyncio.sleep(50)
    awake[0] = False
    remote.nudge()
    await asyncio.sleep(500)
    assert len(desk.asked) == 1

    # Whoever nudges may do so a moment before he says that he is awake.
    remote.nudge()
    await settle()
    assert len(desk.asked) == 2
    detach()


async def test_one_who_is_awake_fetches_for_those_who_sleep(desk: Desk) -> None:
    """An attachment that is wanted ends the waiting of the others."""
    remote, got = RemotePolicy(desk.url), list[str]()
    detaches = [remote.attach(lambda _: got.append("dormant"), lambda: False)]
    await asyncio.sleep(50)
    detaches.append(remote.attach(lambda _: got.append("awake")))
    await settle()
    assert got == ["dormant", "awake"]
    for detach in detaches:
        detach()


async def test_who_cannot_tell_counts_as_awake(desk: Desk) -> None:
    """A failing function must not cut a fleet off from its policy."""

    def fail() -> bool:
        msg = "mine"
        raise ValueError(msg)

    detach = RemotePolicy(desk.url, every=10).attach(lambda _: None, fail)
    await asyncio.sleep(25)
    assert len(desk.asked) >= 2
    detach()


async def test_a_nudge_without_anybody_is_nothing(desk: Desk) -> None:
    """There is nobody to fetch for."""
    RemotePolicy(desk.url).nudge()
    await settle()
    assert desk.asked == []


# Asked for ------------------------------------------------------------------------------------------------------------


async def test_refresh_tells_whether_something_new_came(desk: Desk) -> None:
    """Also unattached, and it leaves nothing behind."""
    desk.etag = '"1"'
    remote = RemotePolicy(desk.url)
    assert await remote.refresh() is True
    assert await remote.refresh() is False
    desk.body, desk.etag = document(), '"2"'
    assert await remote.refresh() is True
    assert await left_over(desk) == (0, 0)


async def test_refresh_at_the_same_time_shares_one_fetch(desk: Desk) -> None:
    """The one in the background, too; all get its answer, be it good or bad."""
    desk.delay = 1
    remote = RemotePolicy(desk.url)
    detach = remote.attach(lambda _: None)
    await asyncio.sleep(0.5)
    assert await asyncio.gather(*(remote.refresh() for _ in range(5))) == [True] * 5
    assert len(desk.asked) == 1
    desk.status = 500
    failures = await asyncio.gather(*(remote.refresh() for _ in range(5)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [PolicyFailed] * 5
    assert (len(desk.asked), remote.failures) == (2, 1)
    detach()


async def test_refresh_moves_the_next_fetch(desk: Desk) -> None:
    """A good answer puts it off; a failure brings it nearer."""
    remote = RemotePolicy(desk.url, every=100)
    detach = remote.attach(lambda _: None)
    await asyncio.sleep(80)
    await remote.refresh()
    await asyncio.sleep(80)
    assert len(desk.asked) == 2

    desk.status = 500
    with pytest.raises(PolicyFailed):
        await remote.refresh()
    desk.status = 200
    await asyncio.sleep(8)
    assert (len(desk.asked), remote.failures) == (4, 0)
    detach()


async def test_if_the_one_who_fetches_is_cancelled_another_does(desk: Desk) -> None:
    """Nobody's answer hangs on another's patience."""
    desk.delay = 1
    remote = RemotePolicy(desk.url)
    first, second = background(remote.refresh()), background(remote.refresh())
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second is True
    assert first.cancelled()
    assert len(desk.asked) == 2
    assert await left_over(desk) == (0, 0)


async def test_the_last_to_leave_does_not_take_the_answer_of_another(desk: Desk) -> None:
    """A fetch of the background that ends is made anew by who waits for it."""
    desk.delay = 1
    remote = RemotePolicy(desk.url)
    detach = remote.attach(lambda _: None)
    await asyncio.sleep(0.5)
    asked = background(remote.refresh())
    await settle()
    detach()
    assert await asked is True
    assert await left_over(desk) == (0, 0)


@pytest.mark.parametrize("late", [False, True])
async def test_refresh_can_be_cancelled_at_every_step(desk: Desk, *, late: bool) -> None:
    """While it waits, and *late*, in the turn in which it is done: nothing stays behind, and the next one works."""
    desk.etag = '"1"'
    for steps in range(1, 100):
        remote, got = RemotePolicy(desk.url), list[Policy]()
        finished = await cancelled_at(remote, steps, late=late)
        # One whose answer had come may have taken it before it was cancelled.
        assert (remote.policy is not None) == (remote.fetched_at is not None)
        assert (remote.failures, remote.error) == (0, None)
        assert await left_over(desk) == (0, 0)
        await remote.refresh()
        remote.attach(got.append)()
        assert len(got) == 1
        assert await left_over(desk) == (0, 0)
        if finished:
            break
    else:
        pytest.fail("refresh takes more steps than any test should")
    assert steps > 3


async def cancelled_at(remote: RemotePolicy, steps: int, *, late: bool) -> bool:
    """Cancel a refresh at its wait number *steps*; tell whether it came to its end before."""
    work, waits = remote.refresh(), 0

    class Stepped:
        def __await__(self) -> Iterator[Any]:
            nonlocal waits
            error: BaseException | None = None
            while True:
                try:
                    waited_for = work.send(None) if error is None else work.throw(error)
                except StopIteration:
                    return
                waits += 1
                if waits == steps:
                    if late and waited_for is not None:
                        waited_for.add_done_callback(lambda _: task.cancel())
                    else:
                        task.cancel()
                error = None
                try:
                    yield waited_for
                except BaseException as thrown:  # noqa: BLE001 - it is handed on to the coroutine
                    error = thrown

    async def run() -> None:
        await Stepped()

    task = background(run())
    await asyncio.wait([task])
    return waits < steps


@pytest.mark.parametrize("delay", [0.0, 0.5])
async def test_leaving_at_any_time_leaves_nothing(desk: Desk, delay: float) -> None:
    """After any number of turns of the loop, and back again at once."""
    desk.delay = delay
    for turns in range(40):
        remote = RemotePolicy(desk.url)
        detach = remote.attach(lambda _: None)
        for _ in range(turns):
            await asyncio.sleep(0)
        detach()
        again = remote.attach(lambda _: None)
        await asyncio.sleep(1)
        assert remote.policy is not None
        again()
        await remote.released()
        assert await left_over(desk) == (0, 0)


# Where it lives -------------------------------------------------------------------------------------------------------


def test_it_lives_in_one_loop_and_may_move_while_at_rest() -> None:
    """In use, another loop is told so; unused, it follows."""
    remote = RemotePolicy("http://127.0.0.1:9/")

    async def use() -> None:
        with pytest.raises(PolicyFailed):
            await remote.refresh()
        detach = remote.attach(lambda _: None)
        await settle()
        assert remote.failures >= 1
        failures: list[BaseException] = []
        stranger = threading.Thread(target=lambda: failures.extend(asyncio.run(misuse(detach))))
        stranger.start()
        await asyncio.to_thread(stranger.join)
        assert [type(failure) for failure in failures] == [WrongLoop] * 4
        detach()
        await remote.released()

    async def misuse(detach: Any) -> list[BaseException]:
        failures: list[BaseException] = []
        for call in (lambda: remote.attach(print), remote.nudge, detach):
            try:
                call()
            except WrongLoop as error:
                failures.append(error)
        with pytest.raises(WrongLoop, match="the remote policy is in use in another event loop") as wrong:
            await remote.refresh()
        return [*failures, wrong.value]

    for _ in range(2):
        asyncio.run(use())


async def test_a_fetch_under_way_is_use_enough(desk: Desk) -> None:
    """Attached or not: another loop must not take the object away from under it."""
    desk.delay = 5
    remote = RemotePolicy(desk.url)
    asked = background(remote.refresh())
    await asyncio.sleep(1)
    failures: list[str] = []

    async def misuse() -> None:
        try:
            await remote.refresh()
        except WrongLoop as error:
            failures.append(str(error))

    stranger = threading.Thread(target=lambda: asyncio.run(misuse()))
    stranger.start()
    stranger.join()
    assert len(failures) == 1
    assert await asked is True


def test_in_another_loop_it_is_due_at_once() -> None:
    """The time of one loop means nothing in the next."""
    remote = RemotePolicy("http://127.0.0.1:9/")

    async def use() -> None:
        before = remote.failures
        detach = remote.attach(lambda _: None)
        # Left over from the loop before, it would be due in two seconds at the earliest.
        async with asyncio.timeout(1.5):
            while remote.failures == before:  # noqa: ASYNC110 - ended by the limit
                await asyncio.sleep(0.01)
        detach()
        await remote.released()

    for _ in range(2):
        asyncio.run(use())
    assert remote.failures == 2


# What is refused before anything is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("example.com/policy", "must begin with"),
        ("wss://example.com/policy", "https://"),
        ("ftp://example.com", "must begin with"),
        ("https://", "names no host"),
        (7, "an address is a string"),
    ],
)
def test_what_is_no_address_is_refused(url: Any, text: str) -> None:
    """When it is made, not at the first fetch."""
    with pytest.raises(InvalidURL, match=text):
        RemotePolicy(url)


def test_what_could_be_forged_is_refused() -> None:
    """With the ways out, and without the secrets of the address."""
    with pytest.raises(UsageError, match="could be forged") as error:
        RemotePolicy("http://joe:hush@example.com/policy?token=hush")
    for way in ("https://", "verify=", "127.0.0.1"):
        assert way in str(error.value)
    assert "hush" not in str(error.value)
    RemotePolicy("http://example.com/policy", verify=SECRET)
    RemotePolicy("https://example.com/policy")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"verify": ""}, UsageError, "verify= is empty"),
        ({"verify": b"x"}, UsageError, "no string"),
        ({"every": 0}, UsageError, "every=0 is too short: give at least 1 s"),
        ({"every": -1}, ValueError, "every=-1 is not a duration"),
        ({"every": float("inf")}, ValueError, "not a duration"),
        ({"timeout": 0}, UsageError, "timeout=0 is too short"),
        ({"headers": {"bad name": "x"}}, InvalidHeader, "'bad name' is no name of a header"),
        ({"headers": {"X-Key": "hush\nX-Other: 1"}}, InvalidHeader, "the value of the header X-Key"),
        ({"headers": {"Host": "other"}}, InvalidHeader, "is set by Cableway"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: Any, error: type[Exception], text: str) -> None:
    """The text names the value, and never that of a header."""
    with pytest.raises(error, match=re.escape(text)) as caught:
        RemotePolicy("https://example.com/", **options)
    assert "hush" not in str(caught.value)


def test_its_text_tells_where_and_how_often() -> None:
    """And no secret."""
    remote = RemotePolicy("https://joe:hush@example.com/p?token=hush", verify=SECRET, every=60)
    assert repr(remote) == "RemotePolicy('https://***@example.com/p?token=***', every=60, signed)"


def test_importing_it_loads_no_http_library() -> None:
    """Who takes no policy from a server does not pay for it."""
    program = "import sys, cableway.remote; print('httpx2' in sys.modules, 'aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# The page -------------------------------------------------------------------------------------------------------------


def test_the_first_program_of_the_page_runs(tmp_path: Path) -> None:
    """With the document of the page, from a static web server, signed by the page's own line."""
    page = DOCS.read_text(encoding="utf-8")
    (tmp_path / "policy.json").write_text(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    program = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        program = program.replace(":8000", f":{server.server_port}")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (done.returncode, done.stderr) == (0, "")
    assert "maximum=30.0" in done.stdout


class Quiet(SimpleHTTPRequestHandler):
    """A static web server that logs nothing."""

    def log_message(self, *args: object) -> None:
        """Do nothing."""


def test_the_line_of_the_page_signs(tmp_path: Path) -> None:
    """It runs in a plain shell, and its result is what clients expect."""
    page = DOCS.read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if "sign_policy" in line).removeprefix("$ ")
    line = line.replace("python ", f"{sys.executable} ", 1)
    (tmp_path / "policy.json").write_bytes(document())
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, env={"POLICY_SECRET": SECRET}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == sign_policy(document(), SECRET)
