"""Which answers of an address that gives tokens are taken, and what they tell."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from cableway.auth.peek import read_claims
from cableway.auth.providers.reading import MISSING, End, made, read_json
from cableway.errors.tokens import TokenUnavailable
from cableway.policies.classify import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.auth.providers.reading import Layout
    from cableway.auth.token import Token

LARGEST_ANSWER: Final = 256 * 1024
"""Bytes of an answer, at most."""

_HINTS: Final = {
    401: "the credentials that it was asked with are missing or wrong, or have ended themselves",
    403: "it forbids it: are the credentials that it was asked with right?",
    404: "nothing is there: is this the right address?",
    405: "it is not asked this way: is method= right?",
    407: "the proxy asks for credentials",
    429: "it is asked too often",
}


def too_large(label: str) -> TokenUnavailable:
    """Return the error for an answer that is too large."""
    return TokenUnavailable(label, f"the answer is larger than the limit of {LARGEST_ANSWER} bytes")


def check_answer(label: str, status: int, headers: Mapping[str, str]) -> None:
    """Make sure that a token may follow, before any of the body is read. Names of *headers* are in lower case.

    Raises:
        TokenUnavailable: None will; with ``status``, and with ``retry_after`` where the server named a time.
    """
    if not 200 <= status < 300:
        wait = retry_after(headers) if status in {429, 503} else None
        raise TokenUnavailable(label, f"HTTP {status}: {_hint(status)}", status=status, retry_after=wait)
    # A few compressed bytes can be a gigabyte.
    if headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
        raise TokenUnavailable(label, "the answer came compressed, though it was asked for as it is", status=status)
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 9 or int(length) > LARGEST_ANSWER):
        raise too_large(label)


def _hint(status: int) -> str:
    if status in _HINTS:
        return _HINTS[status]
    if 300 <= status < 400:
        return "redirects are not followed: give the address that gives the token itself"
    return "the server is in trouble" if status >= 500 else "that is no token"


@frozen
class Answer:
    """An answer that was taken."""

    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)

    def token(self, label: str, layout: Layout) -> Token:
        """Return the token in it. Its life is reckoned by the server's own clock where that is told, never by ours.

        Raises:
            TokenUnavailable: It holds none.
        """
        document = read_json(self.body)
        if document is MISSING and layout.value.header is None:
            raise TokenUnavailable(label, "the answer is no JSON")
        value, end = layout.read(label, self.headers, document)
        now = server_now(self.headers)
        if end == End() and now is not None:
            end = End(moment=read_claims(value).exp)
        moment = now + end.life if end.life is not None and now is not None else end.moment
        return made(label, value, expires_at=moment, life=end.seconds(now))


def server_now(headers: Mapping[str, str]) -> float | None:
    """Return the server's Unix time at the end of its answer: ``Date``, and the ``Age`` that a cache added."""
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
        sent = None if date.utcoffset() is None else date.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    age = headers.get("age", "0")
    return None if sent is None else sent + (int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0)
