"""Reading the head of a response."""

from __future__ import annotations

import pytest

from cableway.transports.websocket.response import (
    LONGEST_BODY,
    LONGEST_HEAD,
    ResponseHead,
    body_is_whole,
    decode_body,
    is_junk,
    parse_head,
)


def test_status_and_headers_are_read() -> None:
    """Names are in lower case, and a name given twice is one entry."""
    head = parse_head(b"HTTP/1.0 404 Not Found\r\nX-A: 1\r\nx-a:2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n")

    assert head is not None
    assert head.status == 404
    assert head.headers == {"x-a": "1, 2", "content-type": "text/html; charset=utf-8"}
    assert head.is_html


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 200 \r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_the_reason_may_be_missing(raw: bytes) -> None:
    """Servers leave it out."""
    head = parse_head(raw)

    assert head is not None
    assert head.status == 200


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 999 x\r\n\r\n", b"HTTP/1.1 200 OK\r\njunk\r\n\r\n"]
)
def test_what_is_no_head_is_none(raw: bytes) -> None:
    """A line without a colon, or a status that is none, is not HTTP."""
    assert parse_head(raw) is None


@pytest.mark.parametrize(
    ("received", "junk"),
    [
        (b"", False),
        (b"HTT", False),
        (b"HTTP/1.1 1", False),
        (b"SSH-2.0", True),
        (b"\x15\x03\x01", True),
        (b"HTTP/2", True),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * LONGEST_HEAD, True),
    ],
)
def test_junk_is_known_by_its_first_bytes(received: bytes, *, junk: bool) -> None:
    """Nobody waits for the end of a head that will not come."""
    assert is_junk(received) is junk


def head(status: int = 400, **headers: str) -> ResponseHead:
    """A head that was read."""
    return ResponseHead(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("response", "body", "whole"),
    [
        (head(content_length="3"), b"ab", False),
        (head(content_length="3"), b"abc", True),
        (head(content_length="junk"), b"abc", False),
        (head(), b"abc", False),
        (head(), b"x" * LONGEST_BODY, True),
        (head(304), b"", True),
        (head(transfer_encoding="chunked"), b"1\r\na\r\n", False),
        (head(transfer_encoding="chunked"), b"1\r\na\r\n0\r\n\r\n", True),
    ],
)
def test_the_end_of_the_body_is_known(response: ResponseHead, body: bytes, *, whole: bool) -> None:
    """By its length, by its last chunk, or because enough came."""
    assert body_is_whole(response, body) is whole


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"5\r\nPage \r\n9;x=y\r\nnot found\r\n0\r\n\r\n", b"Page not found"),
        (b"5\r\nPag", b"Pag"),
        (b"junk", b""),
        (b"-1\r\nx", b""),
        (b"", b""),
    ],
)
def test_chunks_are_put_together(raw: bytes, text: bytes) -> None:
    """As far as they came."""
    assert decode_body(head(transfer_encoding="chunked"), raw) == text


def test_a_long_body_is_cut() -> None:
    """It is only to explain."""
    assert len(decode_body(head(), b"x" * 100_000)) == LONGEST_BODY
