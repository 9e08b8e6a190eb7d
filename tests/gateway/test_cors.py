"""Which pages may use the plain HTTP transports."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from cableway.gateway import GatewayOptions
from cableway.gateway.cors import Cors


def judged(origin: str | None, name: str = "127.0.0.1:8080", **options: Any) -> tuple[bool, str | None]:
    """Tell whether a request may be answered, and which origin the answer names."""
    headers = {"Host": name} | ({} if origin is None else {"Origin": origin})
    cors, request = Cors(GatewayOptions(**options)), make_mocked_request("POST", "/lp", headers=headers)
    return cors.allows(request), cors.headers(request).get("Access-Control-Allow-Origin")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, (True, None)),
        ("http://localhost:3000", (True, "http://localhost:3000")),
        ("https://example.org", (False, None)),
        ("null", (False, None)),
    ],
)
def test_without_a_list_pages_of_this_machine_may(origin: str | None, expected: tuple[bool, str | None]) -> None:
    """And programs, which name no origin."""
    assert judged(origin) == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, (True, None)),
        ("https://a.example.com", (True, "https://a.example.com")),
        ("https://example.org", (False, None)),
    ],
)
def test_with_a_list_pages_on_it_may(origin: str | None, expected: tuple[bool, str | None]) -> None:
    """Their origin is echoed. Who names none is let in: browsers do that to their own host."""
    assert judged(origin, allowed_origins="*.example.com") == expected


@pytest.mark.parametrize("options", [{"public": True}, {"allowed_origins": "*"}])
def test_any_page_may_where_the_options_say_so(options: dict[str, Any]) -> None:
    """As with AnyCable that has no list."""
    assert judged("https://example.org", **options) == (True, "*")
    assert judged(None, **options) == (True, "*")


def test_anycables_flavour_refuses_nobody() -> None:
    """It leaves out the header alone, and the browser keeps the answer."""
    assert judged("https://example.org", flavour="anycable") == (True, None)


def test_a_name_that_leads_here_from_elsewhere_proves_nothing() -> None:
    """A page whose host's name was pointed to this machine asks "its own" host, and names no origin."""
    assert judged(None, "evil.example") == (False, None)
    assert judged(None, "evil.example", host="0.0.0.0") == (True, None)  # noqa: S104
    assert judged(None, "app.example", allowed_origins="app.example") == (True, None)


def test_caches_are_told_what_the_answer_depends_on() -> None:
    """Where it does; and pages, which headers they may send and read."""
    request = make_mocked_request("POST", "/lp", headers={"Host": "localhost"})
    headers = Cors(GatewayOptions(jwt_param="token")).headers(request)
    assert headers["Vary"] == "Origin"
    assert {"x-token", "X-Anycable-Poll-ID"} <= set(headers["Access-Control-Allow-Headers"].split(", "))
    assert "X-Anycable-Poll-ID" in headers["Access-Control-Expose-Headers"]
    assert "Vary" not in Cors(GatewayOptions(public=True)).headers(request)
