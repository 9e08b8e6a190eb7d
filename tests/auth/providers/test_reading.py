"""A token and its end, wherever they stand in an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.auth.providers.reading import MISSING, End, EndKind, Layout, Place, as_token, read_end, read_json
from cableway.auth.token import Token
from cableway.errors import UsageError
from cableway.errors.tokens import TokenUnavailable

NOON = 1_893_499_200.0

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["token", "a", "exp", "0"]), inner),
)


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("token", {"token": "x"}, "x"),
        ("data.token", {"data": {"token": "x"}}, "x"),
        ("tokens.1.value", {"tokens": [1, {"value": "x"}]}, "x"),
        ("token", {}, MISSING),
        ("token", {"token": None}, MISSING),
        ("token", ["x"], MISSING),
        ("token.a", {"token": "x"}, MISSING),
        ("tokens.5", {"tokens": []}, MISSING),
        ("tokens.-1", {"tokens": ["x"]}, MISSING),
        ("tokens.²", {"tokens": ["x"] * 5}, MISSING),
        ("token", MISSING, MISSING),
    ],
)
def test_a_path_into_json(path: str, document: Any, found: Any) -> None:
    """Names of members and numbers of items, with dots between."""
    assert Place.of("value", path).find({}, document) is found


def test_a_header() -> None:
    """However it is spelled."""
    place = Place.of("value", "header:X-Token")
    assert place.find({"x-token": "x"}, MISSING) == "x"
    assert place.find({}, {"x-token": "y"}) is MISSING


@pytest.mark.parametrize("text", ["", ".", "a..b", "header:", None, 5])
def test_no_place(text: Any) -> None:
    """It is refused before anything is asked."""
    with pytest.raises(UsageError, match="value= names no place"):
        Place.of("value", text)


@pytest.mark.parametrize(
    ("told", "end"),
    [
        (3600, End(life=3600)),
        ("3600", End(life=3600)),
        (0.5, End(life=0.5)),
        (-5, End(life=0)),
        (NOON, End(moment=NOON)),
        (str(NOON), End(moment=NOON)),
        ("2030-01-01T12:00:00Z", End(moment=NOON)),
        ("2030-01-01T14:00:00.000+02:00", End(moment=NOON)),
        ("Tue, 01 Jan 2030 12:00:00 GMT", End(moment=NOON)),
        ("2030-01-01T12:00:00", None),
        ("soon", None),
        ("", None),
        (True, None),
        ([], None),
        (float("nan"), None),
        ("inf", None),
        (10**400, None),
        ("9" * 5000, None),
    ],
)
def test_an_end(told: Any, end: End | None) -> None:
    """A small number is a life, a large one a moment; without its zone, a date is none."""
    assert read_end(told) == end


def test_an_end_whose_meaning_is_given() -> None:
    """The size of the number then says nothing."""
    assert read_end(2e9, EndKind.LIFE) == End(life=2e9)
    assert read_end(60, EndKind.MOMENT) == End(moment=60)
    assert read_end("2030-01-01T12:00:00Z", EndKind.LIFE) is None


def test_a_life_from_a_moment() -> None:
    """By the server's clock, less one second, for its times are whole; never negative, never by our own clock."""
    assert End(moment=NOON + 60).seconds(NOON) == 59
    assert End(moment=NOON + 1).seconds(NOON) == 1
    assert End(moment=NOON - 60).seconds(NOON) == 0
    assert End(moment=NOON).seconds(None) is None
    assert End(life=60, moment=NOON).seconds(NOON) == 60


def test_the_usual_places_of_an_end() -> None:
    """Beside the token; what makes no sense there is taken for something else."""
    layout = Layout(Place.of("value", "data.token"))
    assert layout.read("x", {}, {"data": {"token": "t", "expires_in": 60}}) == ("t", End(life=60))
    assert layout.read("x", {}, {"data": {"token": "t", "exp": NOON}}) == ("t", End(moment=NOON))
    assert layout.read("x", {}, {"data": {"token": "t", "expires_at": "soon", "exp": NOON}}) == ("t", End(moment=NOON))
    for junk in ({"exp": NOON * 1000}, {"expires_in": "never"}, {}, {"exp": None}):
        assert layout.read("x", {}, {"data": {"token": "t", **junk}, "exp": 5}) == ("t", End())


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "no 'token'"),
        ({"token": 5, "ends": 60}, "is int"),
        ({"token": "t"}, "no 'ends'"),
        ({"token": "t", "ends": "soon"}, "'ends' in the answer tells no end"),
        (MISSING, "no 'token'"),
        ([], "no 'token'"),
    ],
)
def test_what_was_named_must_be_there(document: Any, told: str) -> None:
    """The error tells which place was empty."""
    layout = Layout(Place.of("value", "token"), Place.of("expires", "ends"))
    with pytest.raises(TokenUnavailable, match=told):
        layout.read("x", {}, document)


@given(JSON)
def test_any_document_gives_a_token_or_our_error(document: Any) -> None:
    """Whatever a server sends."""
    layout = Layout(Place.of("value", "token"))
    try:
        value, end = layout.read("x", {}, document)
    except TokenUnavailable:
        return
    assert isinstance(value, str)
    assert isinstance(end, End)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_no_json(text: bytes) -> None:
    """Not even text that breaks readers."""
    assert read_json(text) is MISSING


def test_as_token() -> None:
    """A token stays what it is; a string becomes one; all else is the source's fault."""
    token = Token("abc")
    assert as_token("x", token) is token
    assert as_token("x", "abc") == token
    for given_, told in ((None, "NoneType"), (b"abc", "bytes"), ("", "empty"), ("x" * 2**20, "the limit is")):
        with pytest.raises(TokenUnavailable, match=told):
            as_token("x", given_)
