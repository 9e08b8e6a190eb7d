"""Conformance: event streams (server-sent events)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from cableway.gateway import Gateway
from cableway.server import sign_stream
from tests.conformance.conftest import KINDS
from tests.conformance.event_client import EventClient
from tests.conformance.handmade import WHO, good, in_an_hour, token
from tests.conformance.raw_client import identifier, stream
from tests.conformance.servers import SECRET, Server, post, token_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=KINDS)
async def events(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server of event streams that knows clients by their tokens, and streams by any name."""
    async with token_server(request.param, sse=True, public_streams=True) as running:
        yield running


def asked(**params: str) -> dict[str, str]:
    """Make parameters of an address, with a good token."""
    return {"jid": good(), **params}


async def publish(server: Server, name: str, *values: Any) -> None:
    """Publish some values to one stream, and wait until they are there."""
    for value in values:
        assert await post(server, {"stream": name, "data": json.dumps(value, separators=(",", ":"))}) == 201
    await server.pause()


def lines(*commands: dict[str, Any]) -> str:
    """Write commands as the lines of a body."""
    return "\n".join(map(json.dumps, commands))


async def test_an_address_with_a_token_gets_the_messages_of_a_stream(events: Server) -> None:
    """A welcome with an id and a confirmation, named by their types; then bare messages with their places."""
    async with EventClient(events.http_url, asked(identifier=stream("room/7"))) as client:
        assert client.status == 200
        welcome = await client.expect("welcome")
        assert welcome.value == {"type": "welcome", "sid": welcome.value["sid"]}
        assert welcome.value["sid"]
        confirmed = await client.expect("confirm_subscription")
        assert confirmed.value == {"type": "confirm_subscription", "identifier": stream("room/7")}
        await publish(events, "room/7", {"text": "hi"}, [1])
        first = await client.expect("")
        offset, epoch, name = first.id.split("/", 2)
        assert (offset, len(epoch), name) == ("1", 4, "room/7")
        assert first.text == f'data: {{"text":"hi"}}\nid: 1/{epoch}/room/7'
        assert (await client.expect_message([1])).id == f"2/{epoch}/room/7"


async def test_a_stream_goes_on_after_the_last_event(events: Server) -> None:
    """What came in between follows on the confirmation, and the answer to the question closes it."""
    async with EventClient(events.http_url, asked(stream="a")) as client:
        await client.begun()
        await publish(events, "a", "one")
        last = await client.expect("")
    await publish(events, "a", "two", "three")
    async with EventClient(events.http_url, asked(stream="a"), headers={"Last-Event-ID": last.id}) as client:
        await client.begun()
        assert [(await client.expect("")).data for _ in range(2)] == ["two", "three"]
        await client.expect("confirm_history")
        await publish(events, "a", "four")
        assert (await client.expect("")).data == "four"


async def test_an_address_may_ask_for_the_past(events: Server) -> None:
    """All since a time, then the answer to the question."""
    await publish(events, "a", {"n": 1}, {"n": 2})
    since = str(int(time.time()) - 60)
    async with EventClient(events.http_url, asked(stream="a", history_since=since)) as client:
        await client.begun()
        await client.expect_message({"n": 1})
        await client.expect_message({"n": 2})
        assert (await client.expect("confirm_history")).value["identifier"] == stream("a")


@pytest.mark.parametrize(
    ("last", "answer"),
    [("1/none/a", "reject_history"), ("1/none", ""), ("1/none/other", "confirm_history")],
    ids=["another era", "two parts", "another stream"],
)
async def test_a_last_event_of_elsewhere(events: Server, last: str, answer: str) -> None:
    """Of another era: the past is refused, the stream goes on. Without three parts it is none. Others do not count."""
    await publish(events, "a", "old")
    async with EventClient(events.http_url, asked(stream="a"), headers={"Last-Event-ID": last}) as client:
        await client.begun()
        if answer:
            await client.expect(answer)
        await publish(events, "a", "new")
        assert (await client.expect("")).data == "new"


@pytest.mark.parametrize("word", ["1", "t", "TRUE", "y"])
async def test_only_messages_may_be_wanted(events: Server, word: str) -> None:
    """No welcome, no confirmation, no ping, no answer to the question; the token may be in a header."""
    await publish(events, "a", "old")
    since = str(int(time.time()) - 60)
    params = {"stream": "a", "raw": word, "history_since": since}
    async with EventClient(events.http_url, params, headers={"x-jid": good()}) as client:
        assert (await client.event(pings=True)).data == "old"
        await publish(events, "a", "new")
        assert (await client.event(pings=True)).data == "new"


async def test_only_messages_may_be_wanted_by_who_posts(events: Server) -> None:
    """Whole frames, and nothing else: of those who are present, too, nothing is told, and not why the stream ends."""
    body = lines({"identifier": stream("a"), "presence": {"id": "ada"}}, {"identifier": stream("b")})
    async with EventClient(events.http_url, asked(raw="1"), method="POST", content=body) as client:
        assert client.status == 200
        await publish(events, "b", "new")
        event = await client.event(pings=True)
        assert (event.kind, event.value["identifier"], event.value["message"]) == ("", stream("b"), "new")
        assert await post(events, {"command": "disconnect", "payload": {"identifier": WHO, "reconnect": False}}) == 201
        assert await client.rest() == ""


async def test_of_two_values_of_a_parameter_the_first_counts(events: Server) -> None:
    """Of the channel, the time, and whether it is raw."""
    await publish(events, "a", "old")
    now = int(time.time())
    given = {"stream": ["a", "b"], "history_since": [str(now - 60), str(now + 60)], "raw": ["0", "1"]}
    async with EventClient(events.http_url, {**asked(), **given}) as client:
        await client.expect("welcome")
        assert (await client.expect("confirm_subscription")).value["identifier"] == stream("a")
        assert (await client.expect("")).data == "old"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"stream": "a"}, stream("a")),
        ({"stream": "a<&>b"}, r'{"channel":"$pubsub","stream_name":"a\u003c\u0026\u003eb"}'),
        (
            {"signed_stream": sign_stream("a", SECRET)},
            identifier("$pubsub", signed_stream_name=sign_stream("a", SECRET)),
        ),
        ({"identifier": stream("a", extra=1), "channel": "No", "stream": "b"}, stream("a", extra=1)),
        ({"identifier": "", "stream": "a", "signed_stream": "no"}, stream("a")),
        ({"signed_stream": sign_stream("a", SECRET), "turbo_signed_stream_name": "no"}, ""),
    ],
    ids=["stream", "markup", "signed", "identifier first", "empty is none", "turbo last"],
)
async def test_a_channel_is_named_in_one_of_five_ways(events: Server, params: dict[str, str], expected: str) -> None:
    """The first that is there counts, and the identifier made of it is the same text everywhere."""
    async with EventClient(events.http_url, asked(**params)) as client:
        await client.expect("welcome")
        confirmed = await client.expect("confirm_subscription")
        assert not expected or confirmed.value["identifier"] == expected


@pytest.mark.parametrize(
    ("params", "headers"),
    [
        ({}, {}),
        ({"stream": ""}, {}),
        ({"channel": "Nobody"}, {}),
        ({"signed_stream": "tampered--with"}, {}),
        ({"turbo_signed_stream_name": sign_stream("a", SECRET)}, {}),
        ({"stream": "a", "history_since": "yesterday"}, {}),
        ({"stream": "a", "history_since": "1.5"}, {}),
        ({"stream": "a"}, {"Last-Event-ID": "first/none/a"}),
        ({"stream": "a"}, {"Last-Event-ID": "-1/none/a"}),
        ({"stream": "a", "jid": token(exp=in_an_hour())}, {}),
    ],
    ids=[
        "no channel", "an empty one", "an unknown one", "a wrong signature", "turbo is off", "no time", "half a second",
        "no offset", "an offset below 0", "a token without ext",
    ],
)  # fmt: skip
async def test_what_cannot_be_subscribed_is_answered_with_400(
    events: Server, params: dict[str, str], headers: dict[str, str]
) -> None:
    """No channel, a rejected one, or a parameter that makes no sense; and nothing more is said."""
    async with EventClient(events.http_url, asked(**params), headers=headers) as client:
        assert client.status == 400
        assert await client.response.aread() == b""


@pytest.mark.parametrize(
    "given", [{}, {"jid": "bad"}, {"jid": token(ext=WHO, exp=1)}, {"jid": token(secret="x", ext=WHO)}]
)
async def test_who_may_not_come_in_is_answered_with_401(events: Server, given: dict[str, str]) -> None:
    """No token, or one that is not good; and nothing more is said, whichever way it was asked."""
    for method, content in (("GET", None), ("POST", lines({"identifier": stream("a")})), ("POST", "")):
        params = {"stream": "a", **given}
        async with EventClient(events.http_url, params, method=method, content=content) as client:
            assert client.status == 401
            assert await client.response.aread() == b""


async def test_what_makes_no_sense_is_refused_before_anybody_is_looked_at(events: Server) -> None:
    """400 without a token, too, where the request itself can be read by nobody."""
    for params, method, content in (
        ({}, "GET", None),
        ({"stream": "a", "history_since": "x"}, "GET", None),
        ({}, "POST", "{"),
    ):
        async with EventClient(events.http_url, params, method=method, content=content) as client:
            assert client.status == 400
            assert await client.response.aread() == b""


@pytest.mark.parametrize(
    ("method", "status"), [("PUT", 405), ("DELETE", 405), ("PATCH", 405), ("HEAD", 405), ("OPTIONS", 200)]
)
async def test_only_get_and_post_open_a_stream(events: Server, method: str, status: int) -> None:
    """Others are not allowed; a browser that asks first is answered."""
    async with EventClient(events.http_url, asked(stream="a"), method=method) as client:
        assert client.status == status
        assert await client.response.aread() == b""
        assert "text/event-stream" not in client.response.headers.get("Content-Type", "")


async def test_the_headers_are_those_of_an_event_stream(events: Server) -> None:
    """Nobody on the way is to keep it, or to hold it back; refusals have them, too."""
    for params in (asked(stream="a"), asked()):
        async with EventClient(events.http_url, params) as client:
            headers = client.response.headers
            assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert headers["Cache-Control"] == "private, no-cache, no-store, must-revalidate, max-age=0"
            assert headers["X-Accel-Buffering"] == "no"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Pragma"] == "no-cache"
            assert headers["Connection"] == "keep-alive"
            assert headers["Access-Control-Allow-Credentials"] == "true"
            assert headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\rthree\n", ["one", "two", "three", ""]),
        ("", [""]),
        (" led by a blank", [" led by a blank"]),
        ("data: not a field\nevent: nor this", ["data: not a field", "event: nor this"]),
    ],
)
async def test_a_string_of_several_lines_has_a_field_for_each(events: Server, text: str, data: list[str]) -> None:
    """Whichever way its lines end, and whatever stands in them."""
    async with EventClient(events.http_url, asked(stream="a")) as client:
        await client.begun()
        await publish(events, "a", text)
        event = await client.expect("")
        assert event.text.split("\n")[:-1] == [f"data: {line}" for line in data]
        assert event.text.split("\n")[-1].startswith("id: 1/")


async def test_a_post_asks_for_several_subscriptions_and_gets_whole_frames(events: Server) -> None:
    """Each line is a subscribe, whatever it says; the past may be asked for with it."""
    await publish(events, "b", "old")
    body = lines(
        {"command": "message", "identifier": stream("a")},
        {"identifier": stream("b"), "history": {"since": int(time.time()) - 60}},
    )
    async with EventClient(events.http_url, asked(), method="POST", content=f"\n{body}\n\n") as client:
        assert client.status == 200
        await client.expect("welcome")
        assert (await client.expect("confirm_subscription")).value["identifier"] == stream("a")
        assert (await client.expect("confirm_subscription")).value["identifier"] == stream("b")
        old = await client.expect("")
        assert (old.value["identifier"], old.value["message"], old.value["offset"]) == (stream("b"), "old", 1)
        assert old.id == f"1/{old.value['epoch']}/b"
        await client.expect("confirm_history")
        await publish(events, "a", "one\ntwo")
        new = await client.expect("")
        assert (new.value["identifier"], new.value["message"]) == (stream("a"), "one\ntwo")


async def test_a_post_without_a_body_is_a_session_without_subscriptions(events: Server) -> None:
    """Welcomed, and pinged on."""
    async with EventClient(events.http_url, asked(), method="POST") as client:
        await client.expect("welcome")
        assert (await client.event(pings=True)).kind == "ping"


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "null",
        "{}\r",
        lines({"identifier": 7}),
        lines({"identifier": stream("a"), "history": {"since": "x"}}),
        lines({"identifier": stream("a")}, {"identifier": stream("a")}),
        lines({"identifier": stream("a")}, {"identifier": identifier("Nobody")}),
        lines({"identifier": stream("a" * 65_536)}),
    ],
    ids=["no JSON", "an array", "null", "no channel", "a number", "no time", "twice", "one is rejected", "too large"],
)
async def test_a_post_of_which_one_line_fails_is_answered_with_400(events: Server, body: str) -> None:
    """All or nothing: what was confirmed before is not told."""
    async with EventClient(events.http_url, asked(), method="POST", content=body) as client:
        assert client.status == 400
        assert await client.response.aread() == b""


async def test_pings_are_events_of_their_own(events: Server) -> None:
    """At the server's interval, with its time."""
    async with EventClient(events.http_url, asked(stream="a")) as client:
        await client.begun()
        ping = await client.event(pings=True)
        assert ping.text == f'event: ping\ndata: {{"type":"ping","message":{ping.value["message"]}}}'
        assert abs(ping.value["message"] - time.time()) < 60


@pytest.mark.parametrize("again", [True, False])
async def test_a_remote_disconnect_ends_the_stream(events: Server, *, again: bool) -> None:
    """Who is not to come back is told to wait for a year, for browsers know no other way to stay away."""
    async with EventClient(events.http_url, asked(stream="a")) as client:
        await client.begun()
        payload = {"identifier": WHO, "reconnect": again}
        assert await post(events, {"command": "disconnect", "payload": payload}) == 201
        event = await client.expect("disconnect")
        assert event.value == {"type": "disconnect", "reason": "remote", "reconnect": again}
        assert event.retry == ("" if again else "31536000000")
        assert event.text.split("\n")[0] == "event: disconnect"
        await client.expect_end()


async def test_a_shutdown_is_announced_to_event_streams(events: Server) -> None:
    """As a restart, and the stream ends."""
    async with EventClient(events.http_url, asked(stream="a")) as client:
        await client.begun()
        await events.shut_down()
        event = await client.expect("disconnect")
        assert (event.value["reason"], event.value["reconnect"], event.retry) == ("server_restart", True, "")
        await client.expect_end()


async def test_a_page_of_a_listed_site_is_told_so() -> None:
    """The origin is echoed; one that is not listed is refused, and who says none is let in."""
    async with Gateway(public_streams=True, sse=True, allowed_origins="*.example.com") as gateway:
        for origin, status, echoed in [
            ("https://www.example.com", 200, "https://www.example.com"),
            ("https://example.org", 403, None),
            ("", 200, None),
        ]:
            headers = {"Origin": origin} if origin else {}
            async with EventClient(gateway.http_url, {"stream": "a"}, headers=headers) as client:
                assert client.status == status
                assert client.response.headers.get("Access-Control-Allow-Origin") == echoed


async def test_each_client_of_one_identifier_gets_the_form_it_asked_for() -> None:
    """Bare, whole, raw, and over a WebSocket's frames: whoever came first."""
    async with Gateway(public=True, sse=True) as gateway:
        url, body = gateway.http_url, lines({"identifier": stream("a")})
        async with (
            EventClient(url, {"stream": "a", "raw": "1"}) as raw,
            EventClient(url, method="POST", content=body) as whole,
            EventClient(url, {"stream": "a"}) as bare,
        ):
            await whole.begun()
            await bare.begun()
            await gateway.broadcast("a", "text", broadcast_type="notice")
            await gateway.broadcast("a", "text")
            notice = {"type": "notice", "identifier": stream("a"), "message": "text"}
            for client in (whole, bare):
                assert (await client.expect("notice")).value.items() >= notice.items()
            assert (await raw.event(pings=True)).data == "text"
            assert (await bare.expect("")).data == "text"
            assert (await whole.expect("")).value["message"] == "text"


async def test_a_crowd_is_sent_away_from_event_streams() -> None:
    """As from WebSockets: with 503, and when to come back."""
    async with (
        Gateway(public=True, sse=True, max_conn=1) as gateway,
        EventClient(gateway.http_url, {"stream": "a"}) as first,
        httpx2.AsyncClient(trust_env=False) as other,
    ):
        await first.begun()
        refused = await other.get(f"{gateway.http_url}/events", params={"stream": "a"})
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
