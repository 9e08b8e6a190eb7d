"""Conformance: how a session opens, stays open, and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus

from cableway.gateway import Channel, Connection, Gateway
from tests.conformance.raw_client import BASE, RawClient, identifier, stream
from tests.conformance.servers import post

if TYPE_CHECKING:
    from tests.conformance.conftest import Publish
    from tests.conformance.servers import Server


async def test_a_client_is_welcomed(server: Server) -> None:
    """The first frame of a session is the welcome."""
    async with RawClient(server.url) as client:
        assert client.subprotocol == BASE
        await client.expect(type="welcome")


async def test_pings_carry_growing_integers(server: Server) -> None:
    """Each ping tells a later time than the one before."""
    async with RawClient(f"{server.url}?ptp=ms") as client:
        await client.welcomed()
        first, second = await client.frame(pings=True), await client.frame(pings=True)
    assert (first["type"], second["type"]) == ("ping", "ping")
    assert isinstance(first["message"], int)
    assert first["message"] < second["message"]


async def test_a_probe_of_the_client_s_is_answered(server: Server) -> None:
    """A ``ping`` command is answered by ``pong``: a client in doubt may ask before it gives a line up."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.send('{"command":"ping"}')
        assert await client.frame() == {"type": "pong"}


async def test_base_is_chosen_though_another_is_offered_first(server: Server) -> None:
    """The server's order counts, not the client's."""
    async with RawClient(server.url, subprotocols=["actioncable-v1-ext-json", BASE]) as client:
        assert client.subprotocol == BASE
        await client.welcomed()


@pytest.mark.parametrize("offer", [None, ["actioncable-unsupported"], ["actioncable-v2-json", "other"]])
async def test_without_a_common_subprotocol_base_is_spoken_unnamed(server: Server, offer: list[str] | None) -> None:
    """No offer, or no known one: upgraded all the same, without the header, and base is what is spoken."""
    async with RawClient(server.url, subprotocols=offer) as client:
        assert client.subprotocol is None
        await client.welcomed()
        await client.subscribe(stream("a"))


async def test_a_remote_disconnect_tells_the_client_to_come_back_if_asked_to(server: Server) -> None:
    """A back end ends a session by its identifiers; the client hears whether to come back."""
    async with RawClient(server.url, headers={"X-Request-ID": "26"}) as client:
        await client.expect(type="welcome", sid="26")
        payload = {"identifier": '{"sid":"26"}', "reconnect": True}
        assert await post(server, {"command": "disconnect", "payload": payload}) == 201
        await client.expect(type="disconnect", reason="remote", reconnect=True)
        assert await client.expect_close() == (1000, "Closed remotely")


async def test_a_remote_disconnect_is_for_good_by_default(server: Server) -> None:
    """Without the flag the client is told to stay away."""
    async with RawClient(server.url, headers={"X-Request-ID": "27"}) as client:
        await client.expect(type="welcome", sid="27")
        assert await post(server, {"command": "disconnect", "payload": {"identifier": '{"sid":"27"}'}}) == 201
        await client.expect(type="disconnect", reason="remote", reconnect=False)
        assert await client.expect_close() == (1000, "Closed remotely")


async def test_a_shutdown_is_announced_as_a_restart(server: Server) -> None:
    """A server that goes down says so, asks to come back, and closes with 1001."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await server.shut_down()
        await client.expect(type="disconnect", reason="server_restart", reconnect=True)
        assert await client.expect_close() == (1001, "Server restart")


async def test_after_a_restart_clients_are_welcome_again() -> None:
    """What was told to come back is let in again, at the same address."""
    async with Gateway(public=True) as gateway:
        async with RawClient(gateway.url) as client:
            await client.welcomed()
            await gateway.stop()
            await client.expect(type="disconnect", reason="server_restart", reconnect=True)
        await gateway.start()
        async with RawClient(gateway.url) as client:
            await client.welcomed()


@pytest.mark.parametrize("size", [65_536, 65_537])
async def test_a_message_over_the_limit_ends_the_session(server: Server, size: int) -> None:
    """Up to 65 536 bytes are read; one more is answered with close code 1009."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        head, tail = '{"command":"nonsense","x":"', '"}'
        await client.send(head + "x" * (size - len(head) - len(tail)) + tail)
        if size > 65_536:
            code, _ = await client.expect_close()
            assert code == 1009
        else:
            await client.expect_silence()


async def test_a_plain_request_is_answered_with_400(server: Server, publish: Publish) -> None:
    """What is no upgrade is no client."""
    import httpx2

    async with httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{server.http_url}/cable")).status_code == 400
        assert (await http.get(f"{server.http_url}/health")).status_code == 200


# What only a server with Python channels can be asked ---------------------------------------------------------------


class ParamsChannel(Channel):
    async def subscribed(self) -> None:
        if self.connection.request.query.get("token") != "secret":
            self.reject()


@pytest.mark.parametrize(("query", "answer"), [("?token=secret", "confirm_subscription"), ("", "reject_subscription")])
async def test_a_channel_sees_the_request(query: str, answer: str) -> None:
    """What the client put in its address reaches the channel."""
    async with Gateway([ParamsChannel]) as gateway, RawClient(gateway.url + query) as client:
        await client.welcomed()
        await client.command("subscribe", identifier=identifier("ParamsChannel"))
        await client.expect(type=answer, identifier=identifier("ParamsChannel"))


class RequestConnection(Connection):
    """Lets in by the test named in the query."""

    async def connect(self) -> None:
        request = self.request
        known = {
            "request_url": request.url.endswith(f"{request.host}/cable?test=request_url")
            and "127.0.0.1:" in request.host,
            "cookies": request.cookies.get("username") == "jack london",
            "headers": request.headers.get("x-api-token") == "abc",
        }
        if not known.get(request.query.get("test", "")):
            self.reject()


async def test_a_connection_sees_its_whole_address() -> None:
    """Address, query and host of the request decide about letting in."""
    async with (
        Gateway(connection=RequestConnection) as gateway,
        RawClient(f"{gateway.url}?test=request_url") as client,
    ):
        await client.welcomed()


async def test_a_connection_without_its_cookie_is_closed() -> None:
    """What the cookie would have allowed is refused without it."""
    async with (
        Gateway(connection=RequestConnection) as gateway,
        RawClient(f"{gateway.url}?test=cookies") as client,
    ):
        await client.expect(type="disconnect", reason="unauthorized", reconnect=False)
        await client.expect_close()


async def test_a_cookie_with_a_space_in_its_value_is_read() -> None:
    """A cookie's value is whole, whatever it holds."""
    async with (
        Gateway(connection=RequestConnection) as gateway,
        RawClient(f"{gateway.url}?test=cookies", headers={"Cookie": "username=jack london"}) as client,
    ):
        await client.welcomed()


async def test_a_connection_without_its_header_is_closed() -> None:
    """What the header would have allowed is refused without it."""
    async with (
        Gateway(connection=RequestConnection) as gateway,
        RawClient(f"{gateway.url}?test=headers") as client,
    ):
        await client.expect(type="disconnect", reason="unauthorized", reconnect=False)
        await client.expect_close()


async def test_a_connection_sees_headers_whatever_their_case() -> None:
    """A header decides about letting in."""
    async with (
        Gateway(connection=RequestConnection) as gateway,
        RawClient(f"{gateway.url}?test=headers", headers={"X-API-TOKEN": "abc"}) as client,
    ):
        await client.welcomed()


async def test_a_refused_connection_learns_why_and_is_closed() -> None:
    """The connection class refuses: disconnect with reason, for good, then close 1000."""
    async with Gateway(connection=RequestConnection) as gateway, RawClient(gateway.url) as client:
        await client.expect(type="disconnect", reason="unauthorized", reconnect=False)
        assert await client.expect_close() == (1000, "Auth Failed")
        assert gateway.stats().unauthorized == 1


class UserConnection(Connection):
    async def connect(self) -> None:
        self.identifiers = {"user": self.request.query["user"]}


async def test_a_remote_disconnect_reaches_all_sessions_of_a_user() -> None:
    """Every session with these identifiers ends, and no other."""
    async with Gateway(connection=UserConnection, secret="k3y-demo") as gateway:
        url = gateway.url
        async with (
            RawClient(f"{url}?user=26") as one,
            RawClient(f"{url}?user=26") as two,
            RawClient(f"{url}?user=27") as other,
        ):
            for client in (one, two, other):
                await client.welcomed()
            assert await gateway.disconnect({"user": "26"}, reconnect=True) == 2
            for client in (one, two):
                await client.expect(type="disconnect", reason="remote", reconnect=True)
                assert await client.expect_close() == (1000, "Closed remotely")
            await other.expect_silence()


async def test_a_page_of_another_site_is_refused() -> None:
    """A page anywhere can reach this machine's ports: its origin is refused with 403 before the upgrade."""
    async with Gateway() as gateway:
        with pytest.raises(InvalidStatus) as refused:
            async with RawClient(gateway.url, headers={"Origin": "https://evil.example"}):
                pass
    assert refused.value.response.status_code == 403
