"""Which pages may connect."""

from __future__ import annotations

import pytest

from cableway.gateway.origins import origin_rule


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "127.0.0.1:8080", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://localhost:3000", "127.0.0.1:8080", True),
        ("https://app.localhost", "127.0.0.1:8080", True),
        ("http://[::1]:3000", "[::1]:8080", True),
        ("http://127.8.9.1", "127.0.0.1:8080", True),
        ("https://evil.example", "127.0.0.1:8080", False),
        ("null", "127.0.0.1:8080", False),
        ("", "127.0.0.1:8080", False),
        ("file://", "127.0.0.1:8080", False),
        ("http://localhost.evil.example", "127.0.0.1:8080", False),
        ("http://127.0.0.1.evil.example", "127.0.0.1:8080", False),
        ("http://[", "127.0.0.1:8080", False),
    ],
)
def test_on_this_machine_only_its_own_pages_and_programs(origin: str | None, host: str, *, allowed: bool) -> None:
    """Browsers of this machine reach us from any page: pages of elsewhere are refused."""
    assert origin_rule("", any_origin=False, bound_to="127.0.0.1").allows(origin, host) is allowed


def test_a_name_that_points_here_is_no_proof() -> None:
    """A page whose own host name was made to point to 127.0.0.1 is still of elsewhere."""
    rule = origin_rule("", any_origin=False, bound_to="localhost")
    assert not rule.allows("http://evil.example:8080", "evil.example:8080")


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://example.com", "example.com", True),
        ("https://EXAMPLE.com", "Example.com", True),
        ("https://example.com", "example.com:443", True),
        ("http://example.com", "example.com:80", True),
        ("http://example.com:8080", "example.com:8080", True),
        ("http://example.com", "example.com:8080", False),
        ("https://other.com", "example.com", False),
        (None, "example.com", True),
    ],
)
def test_a_public_server_lets_its_own_pages_in(origin: str | None, host: str, *, allowed: bool) -> None:
    """The page's host is the host that was asked."""
    assert origin_rule("", any_origin=False, bound_to="192.0.2.1").allows(origin, host) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://example.com", True),
        ("HTTPS://EXAMPLE.COM", True),
        ("https://example.com:444", False),
        ("https://a.example.org", True),
        ("https://example.org", False),
        ("https://b.other.org:3000", False),
        ("http://localhost:3000", False),
        (None, False),
    ],
)
def test_a_list_counts_alone_as_in_anycable(origin: str | None, *, allowed: bool) -> None:
    """Host and port exactly, or below a name; without Origin nothing matches."""
    rule = origin_rule("example.com, *.example.org", any_origin=False, bound_to="127.0.0.1")
    assert rule.allows(origin, "127.0.0.1:8080") is allowed


@pytest.mark.parametrize(("text", "any_origin"), [("*", False), ("", True)])
def test_any_origin_passes_where_that_is_asked_for(text: str, *, any_origin: bool) -> None:
    """A star, or a public server."""
    rule = origin_rule(text, any_origin=any_origin, bound_to="127.0.0.1")
    assert rule.allows("https://evil.example", "127.0.0.1")
    assert rule.allows(None, "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "bound_to", "allowed"),
    [
        ("127.0.0.1:8080", "127.0.0.1", True),
        ("LOCALHOST:8080", "127.0.0.1", True),
        ("[::1]:8080", "::1", True),
        ("evil.example", "127.0.0.1", False),
        ("A.example.org", "127.0.0.1", True),
        ("example.com:8080", "127.0.0.1", False),
        ("any.example", "0.0.0.0", True),  # noqa: S104
    ],
)
def test_who_names_no_origin_must_have_named_the_host_rightly(host: str, bound_to: str, *, allowed: bool) -> None:
    """By a name of this machine or one of the list; where others can reach it, any name will do."""
    rule = origin_rule("example.com, *.example.org", any_origin=False, bound_to=bound_to)
    assert rule.allows_silence(host) is allowed
    assert origin_rule("", any_origin=True, bound_to=bound_to).allows_silence(host)
