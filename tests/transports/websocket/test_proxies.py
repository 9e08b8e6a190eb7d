"""Which proxy is used, and for which hosts none is."""

from __future__ import annotations

import urllib.request

import pytest

from cableway.errors import InvalidURL
from cableway.transports.websocket import proxies
from cableway.transports.websocket.proxies import choose_proxy, is_bypassed


async def chosen(host: str = "www.example.com", *, secure: bool = True, tunnelled: bool = True) -> str | None:
    """Tell which proxy the environment names for *host*."""
    found = await choose_proxy(True, host, 443 if secure else 80, secure=secure, tunnelled=tunnelled)
    return None if found is None else f"{found.scheme}://{found.host}"


@pytest.mark.parametrize(
    ("environment", "secure", "proxy"),
    [
        ({}, True, None),
        ({"https_proxy": "http://a"}, True, "http://a"),
        ({"HTTPS_PROXY": "http://a"}, True, "http://a"),
        ({"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}, True, "http://a"),
        ({"https_proxy": ""}, True, None),
        ({"http_proxy": "http://a"}, True, None),
        ({"http_proxy": "http://a"}, False, "http://a"),
        ({"ws_proxy": "http://b", "http_proxy": "http://a"}, False, "http://b"),
        ({"wss_proxy": "http://b", "https_proxy": "http://a"}, True, "http://b"),
        ({"ALL_PROXY": "socks5://c"}, True, "socks5://c"),
        ({"all_proxy": "http://c", "https_proxy": "http://a"}, True, "http://a"),
        ({"socks_proxy": "http://d:1080"}, True, "socks5h://d"),
        ({"https_proxy": "a:3128"}, True, "http://a"),
        ({"https_proxy": "http://a", "no_proxy": "example.com"}, True, None),
        ({"https_proxy": "http://a", "no_proxy": "*"}, True, None),
        ({"https_proxy": "http://a", "NO_PROXY": "other.com"}, True, "http://a"),
    ],
)
async def test_which_variable_counts(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], proxy: str | None, *, secure: bool
) -> None:
    """The most particular one, unless ``no_proxy`` names the host."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert await chosen(secure=secure) == proxy


async def test_plain_requests_have_a_variable_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes first for what can be passed on, and last for what needs a tunnel."""
    monkeypatch.setenv("http_proxy", "http://plain")
    monkeypatch.setenv("https_proxy", "http://tunnel")
    assert await chosen(secure=False, tunnelled=False) == "http://plain"
    assert await chosen(secure=False) == "http://tunnel"
    assert await chosen() == "http://tunnel"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "gateway.localhost", "127.0.0.1", "127.8.8.8", "::1"])
async def test_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The proxy would look for the server on its own; one that is given by hand is used all the same."""
    monkeypatch.setenv("all_proxy", "http://a")
    assert await chosen(host) is None
    given = await choose_proxy("http://b", host, 80, secure=False)
    assert given is not None
    assert given.host == "b"


async def test_nobody_asked_for_one() -> None:
    """Neither ``None`` nor ``False`` looks into the environment."""
    for nothing in (None, False):
        assert await choose_proxy(nothing, "example.com", 80, secure=False) is None


async def test_what_the_environment_says_may_be_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, without its password."""
    monkeypatch.setenv("https_proxy", "gopher://me:s3cr3t@proxy")
    with pytest.raises(InvalidURL) as caught:
        await chosen()
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
async def test_settings_of_the_system_count_where_no_variable_is_set(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """With its own list of exceptions."""
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(proxies, "getproxies", lambda: {"https": "http://system"})
    monkeypatch.setattr(proxies, "proxy_bypass", lambda host: host.startswith("inside"))
    assert await chosen() == "http://system"
    assert await chosen("inside.example") is None
    monkeypatch.setenv("https_proxy", "http://variable")
    assert await chosen("inside.example") == "http://variable"


@pytest.mark.parametrize(
    ("host", "no_proxy", "bypassed"),
    [
        ("example.com", "example.com", True),
        ("EXAMPLE.com.", "Example.COM", True),
        ("www.example.com", "example.com", True),
        ("www.example.com", ".example.com", True),
        ("www.example.com", "*.example.com", True),
        ("myexample.com", "example.com", False),
        ("example.com.evil.org", "example.com", False),
        ("example.com", "", False),
        ("example.com", " , ,", False),
        ("example.com", "other.org, example.com", True),
        ("example.com", "other.org example.com", True),
        ("example.com", "*", True),
        ("example.com", "example.com:443", True),
        ("example.com", "example.com:8080", False),
        ("example.com", "example.com:what", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.3:80", False),
        ("10.1.2.3", "2.3", False),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("fd00::5", "fd00::/8", True),
        ("fd00::5", "[fd00:0::5]:443", True),
        ("fd00::5", "fd00::6", False),
        ("example.com", "10.0.0.0/8", False),
        ("example.com", ".", False),
    ],
)
def test_who_is_reached_without_a_proxy(host: str, no_proxy: str, *, bypassed: bool) -> None:
    """Names with all below them, addresses, networks, and ports where they are given."""
    assert is_bypassed(host, 443, no_proxy) is bypassed


@pytest.mark.parametrize("host", ["example.com", "www.example.com", "10.1.2.3", "xexample.com"])
@pytest.mark.parametrize("no_proxy", ["example.com", ".example.com", "*", "10.1.2.3", "a.b, example.com", ""])
def test_what_python_takes_for_named_is_so(host: str, no_proxy: str) -> None:
    """Other programs on this machine read the same variable."""
    theirs = urllib.request.proxy_bypass_environment(host, {"no": no_proxy})
    assert is_bypassed(host, 443, no_proxy) == bool(theirs)
