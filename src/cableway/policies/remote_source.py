"""Where a policy comes from: which addresses may be trusted, what is sent there, and which answers are taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from attrs import field, frozen

from cableway.address import HttpAddress, check_url
from cableway.errors import BadPolicy, InvalidHeader, InvalidURL, PolicyFailed, UsageError
from cableway.policies.classify import retry_after
from cableway.policies.remote import (
    LARGEST,
    SIGNATURE_HEADER,
    check_serial,
    is_signed,
    read_policy,
)
from cableway.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.policies.remote import Policy

LONGEST_ETAG: Final = 256

_HINTS: Final = {
    401: "credentials are missing or wrong: give headers=, or user:password@ in the address",
    403: "the server forbids it: are the credentials right?",
    404: "nothing is there: is this the address of the document itself?",
    429: "the server is asked too often",
}

_COMPRESSED: Final = "the document came compressed, though it was asked for as it is: turn that off on the server"

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@frozen
class PolicySource:
    """An address that may be trusted, and all that goes with it. Its text holds no secret."""

    url: str
    """Without user, password and query: HTTP libraries log it."""
    shown: str
    target: bytes = field(repr=False)
    """Path and query as they go on the wire."""
    headers: dict[str, str] = field(repr=False)
    secret: str | None = field(repr=False)
    near: bool
    """Whether it is on this machine: a proxy would then be of no use, and less safe."""

    @classmethod
    def of(cls, url: str, secret: str | None, headers: Mapping[str, str]) -> Self:
        """Check what a user gave.

        Raises:
            InvalidURL: The address cannot be used.
            InvalidHeader: A header cannot go on the wire.
            UsageError: The policy could be forged on its way, or the secret is empty.
        """
        parts = urlsplit(check_url(url))
        scheme = parts.scheme.lower()
        if scheme not in {"http", "https"}:
            raise InvalidURL(url, "a policy is fetched over HTTP, so it must begin with https:// or http://")
        if secret is not None and not (isinstance(secret, str) and secret):
            msg = "verify= is empty or no string: give the secret that the documents are signed with, or None"
            raise UsageError(msg)
        address = HttpAddress.of(parts)
        if scheme == "http" and not address.near and secret is None:
            msg = (
                f"a policy from {redact_url(url)} could be forged on its way: fetch it over https://, or sign it and "
                f"give verify=<secret>, or serve it on this machine (http://127.0.0.1)"
            )
            raise UsageError(msg)
        asked = _headers(address.authorization, headers)
        return cls(address.bare, redact_url(url), address.target, asked, secret, address.near)

    def request_headers(self, etag: str | None) -> dict[str, str]:
        """Return what to ask with; *etag* is that of the document we have."""
        return self.headers if etag is None else {**self.headers, "if-none-match": etag}

    def check_answer(self, status: int, headers: Mapping[str, str], wall: float) -> None:
        """Make sure that a document follows, before any of it is read; *wall* is the Unix time.

        Raises:
            PolicyFailed: None does, or not one that can be taken.
        """
        if status != 200:
            raise PolicyFailed(
                self.shown,
                f"HTTP {status}: {_hint(status)}",
                status=status,
                retryable=status >= 500 or status == 429,
                retry_after=retry_after(headers, wall) if status in {429, 503} else None,
            )
        # A few compressed bytes can be a gigabyte.
        if headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
            raise PolicyFailed(self.shown, _COMPRESSED, retryable=False)
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 9 or int(length) > LARGEST):
            raise self.too_large()

    def too_large(self) -> PolicyFailed:
        """Return the error for a document that is too large."""
        return PolicyFailed(self.shown, f"the policy is larger than the limit of {LARGEST} bytes", retryable=False)

    def read(self, body: bytes, signature: str | None, last: Policy | None) -> Policy:
        """Read a document, which must be signed where there is a secret, and not older than the *last* one.

        Raises:
            PolicyFailed: It is not taken; ``__cause__`` is the :class:`BadPolicy`, if the signature was right.
        """
        if self.secret is not None and not is_signed(body, self.secret, signature or ""):
            what = f"has no {SIGNATURE_HEADER} header" if signature is None else "is not signed with the secret we have"
            raise PolicyFailed(self.shown, f"the policy {what}", retryable=False)
        try:
            policy = read_policy(body)
            check_serial(policy, last)
        except BadPolicy as error:
            raise PolicyFailed(self.shown, str(error), retryable=False) from error
        return policy


def usable_etag(text: str | None) -> str | None:
    """Return *text* if it can be sent back: a server's header must not become anything else in a request of ours."""
    if text is None or len(text) > LONGEST_ETAG or not _fits_header(text) or '"' not in text:
        return None
    return text


def _hint(status: int) -> str:
    if status in _HINTS:
        return _HINTS[status]
    if 300 <= status < 400:
        return "redirects are not followed: give the address of the document itself"
    return "the server is in trouble" if status >= 500 else "that is no policy"


def _headers(authorization: str | None, given: Mapping[str, str]) -> dict[str, str]:
    headers = {"accept": "application/json", "user-agent": "cableway"}
    if authorization is not None:
        headers["authorization"] = authorization
    for name, value in given.items():
        _check_header(name, value)
        headers[name.lower()] = value
    # These are ours: what is compressed, or not asked for anew, could not be judged.
    return {**headers, "accept-encoding": "identity", "connection": "close"}


def _check_header(name: str, value: str) -> None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        msg = f"{name!r} is no name of a header: letters, digits and hyphens"
        raise InvalidHeader(msg)
    if name.lower() in {"host", "if-none-match", "content-length", "transfer-encoding"}:
        msg = f"the header {name} is set by Cableway itself"
        raise InvalidHeader(msg)
    if not isinstance(value, str) or not _fits_header(value):
        msg = f"the value of the header {name} holds what a header cannot carry: give one line of ASCII"
        raise InvalidHeader(msg)


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == value.strip() and value != ""
