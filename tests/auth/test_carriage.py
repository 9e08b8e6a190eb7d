"""A token in the parts of a request."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.auth.carriage import Parts, carry, in_header, in_query, in_subprotocol
from cableway.auth.token import Token
from cableway.errors import InvalidHeader, UsageError

URL = "wss://cable.example/cable?room=42"
PARTS = Parts(URL, {"X-Other": "1"}, ("actioncable-v1-json", "actioncable-unsupported"))
MARK = "s3cr3t.t0k-en_"


def test_in_a_header() -> None:
    """AnyCable's own, unless another is named; the rest stays as it is."""
    parts = carry(in_header(), PARTS, Token(MARK))
    assert parts == Parts(URL, {"X-Other": "1", "x-jid": MARK}, PARTS.subprotocols)


def test_in_a_header_after_a_word() -> None:
    """As most HTTP servers have it."""
    parts = carry(in_header("Authorization", "Bearer"), PARTS, MARK)
    assert parts.headers["Authorization"] == f"Bearer {MARK}"


def test_a_header_takes_the_place_of_the_old_one() -> None:
    """However it was spelled: two of them would be read as one, or as the wrong one."""
    parts = carry(in_header("X-JID"), Parts(URL, {"x-Jid": "old"}), MARK)
    assert parts.headers == {"X-JID": MARK}


def test_in_the_query() -> None:
    """Quoted, in the place of an old one; what else is there stays."""
    assert carry(in_query(), PARTS, "a+b/c=&d").url == f"{URL}&jid=a%2Bb%2Fc%3D%26d"
    assert carry(in_query("token"), Parts("ws://h/c?token=old&a=1"), MARK).url == f"ws://h/c?a=1&token={MARK}"


def test_as_a_subprotocol() -> None:
    """After the real ones, so that no server takes it for one; an old one goes."""
    once = carry(in_subprotocol(), PARTS, MARK)
    assert once.subprotocols == (*PARTS.subprotocols, f"anycable-token.{MARK}")
    assert (once.url, once.headers) == (PARTS.url, PARTS.headers)
    assert carry(in_subprotocol(), once, "new").subprotocols == (*PARTS.subprotocols, "anycable-token.new")


@pytest.mark.parametrize("value", [f"{MARK}=", f"{MARK}/x", f"{MARK} x", f"{MARK},x"])
def test_what_no_subprotocol_can_be(value: str) -> None:
    """The text names the way out, and not the token."""
    with pytest.raises(UsageError, match=r"in_header\(\)") as caught:
        carry(in_subprotocol(), PARTS, value)
    assert MARK not in str(caught.value)


def test_what_cannot_travel_at_all() -> None:
    """A str is checked as a token is."""
    with pytest.raises(UsageError, match="line break"):
        carry(in_query(), PARTS, f"{MARK}\n")


@pytest.mark.parametrize("name", ["", "a b", "x:y", "x\r\n", "Host", "Cookie", "Sec-WebSocket-Protocol", None, 7])
def test_a_header_that_cannot_carry_it(name: Any) -> None:
    """It is refused before anything is dialled."""
    with pytest.raises(InvalidHeader):
        in_header(name)


@pytest.mark.parametrize("scheme", ["Bearer ", "a b", "x\r\n", None])
def test_a_scheme_that_is_no_word(scheme: Any) -> None:
    """It would end up in the header as it is."""
    with pytest.raises(InvalidHeader, match="one word"):
        in_header("Authorization", scheme)


@pytest.mark.parametrize("name", ["", "a\n", None])
def test_a_parameter_needs_a_name(name: Any) -> None:
    """An empty one would be lost."""
    with pytest.raises(UsageError):
        in_query(name)


def test_parts_show_no_secret() -> None:
    """Wherever the token travels."""
    for carriage in (in_header(), in_query(), in_subprotocol()):
        assert MARK not in repr(carry(carriage, PARTS, MARK))
