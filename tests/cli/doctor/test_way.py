"""The doctor goes the ways of the transports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from cableway.cli.doctor.way import proxy_for, reached, route_for
from cableway.errors import ProxyFailure
from cableway.transports.base import DialRequest
from tests.cli.doctor.house import served
from tests.transports.websocket.peers import ConnectProxy, Peer, SocksProxy, client_tls, server_tls, serving

if TYPE_CHECKING:
    import trustme


async def test_the_proxy_is_the_one_of_a_websocket(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, or the one that was given, or none."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")

    chosen = [await proxy_for(DialRequest("wss://example.com/cable", proxy=one)) for one in (True, None)]
    given = await proxy_for(DialRequest("wss://example.com/cable", proxy="socks5h://other.example"))

    assert [one and one.at for one in [*chosen, given]] == ["proxy.example:3128", None, "other.example:1080"]


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_line_goes_through_the_tunnel_and_tls(scheme: str, ca: trustme.CA) -> None:
    """Up to the certificate of the server, not of the proxy."""
    proxy = SocksProxy() if scheme == "socks5h" else ConnectProxy()
    async with serving(Peer.silence, tls=server_tls(ca)) as port, serving(served(proxy)) as proxy_port:
        request = DialRequest(f"wss://127.0.0.1:{port}/cable", proxy=f"{scheme}://127.0.0.1:{proxy_port}")
        route = route_for(request, await proxy_for(request))
        (await reached(route)).abort()
        line = await reached(evolve(route, tls=client_tls(ca)))
        certificate = line.get_extra_info("peercert")
        line.abort()

    assert ("DNS", "localhost") in certificate["subjectAltName"]


async def test_what_is_in_the_way_is_told() -> None:
    """In the errors of the transports."""
    async with serving(served(ConnectProxy(status="403 Forbidden"))) as port:
        request = DialRequest("ws://127.0.0.1:9/cable", proxy=f"http://127.0.0.1:{port}")
        with pytest.raises(ProxyFailure, match="403"):
            await reached(route_for(request, await proxy_for(request)))
