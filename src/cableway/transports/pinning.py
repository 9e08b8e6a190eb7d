"""Accepts a server only with a certificate that the program knows, whatever authority has signed it."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KEY: Final = re.compile(r"sha256//?([A-Za-z0-9+/]{43}=)")
_VERSION: Final = 0xA0

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


class Unpinned(ssl.SSLCertVerificationError):
    """A certificate that was not accepted, as the TLS libraries hear of it; transports raise ``PinMismatch``."""

    why: str = ""
    """What the program's own check said."""
    key: str = ""
    """The pin that would fit."""
    certificate: str = ""
    """The fingerprint that would fit."""


@frozen
class Pins:
    """What a certificate must be like."""

    keys: frozenset[bytes]
    """SHA-256 of public keys."""
    certificates: frozenset[bytes]
    """SHA-256 of whole certificates."""
    check: Callable[[bytes], object] | None = field(default=None)

    @classmethod
    def of(cls, pins: tuple[str, ...], check: Callable[[bytes], object] | None) -> Pins:
        """Read what a program has pinned.

        Raises:
            UsageError: A pin has neither of the two forms, or nothing is pinned.
        """
        keys, certificates = set[bytes](), set[bytes]()
        for pin in pins:
            if key := _KEY.fullmatch(pin):
                keys.add(base64.b64decode(key[1]))
            elif _FINGERPRINT.fullmatch(plain := pin.lower().removeprefix("sha256:").replace(":", "")):
                certificates.add(bytes.fromhex(plain))
            else:
                msg = (
                    f"the pin {printable(repr(pin))} has neither form: sha256/ and 44 characters of Base64 for a "
                    "public key, or 64 hexadecimal digits for a certificate"
                )
                raise UsageError(msg)
        if not pins and check is None:
            msg = "nothing is pinned: give a pin, several, or check="
            raise UsageError(msg)
        return cls(frozenset(keys), frozenset(certificates), check)

    def verify(self, certificate: bytes | None) -> None:
        """Check the certificate of a server, as DER.

        Raises:
            Unpinned: It is none of those pinned, or the program's own check did not like it.
        """
        found = certificate or b""
        key, whole = _key_digest(found), hashlib.sha256(found).digest()
        if (self.keys or self.certificates) and key not in self.keys and whole not in self.certificates:
            raise _unpinned(key, whole)
        if self.check is None:
            return
        try:
            accepted = self.check(found) is not False
        except Exception as error:
            raise _unpinned(key, whole, str(error) or type(error).__name__) from error
        if not accepted:
            raise _unpinned(key, whole, "it returned False")


def pinned_context(
    *pins: str,
    check: Callable[[bytes], object] | None = None,
    cafile: str | Path | None = None,
    capath: str | Path | None = None,
    cadata: str | bytes | None = None,
) -> ssl.SSLContext:
    """Return an SSL context that accepts a server only with a certificate that is pinned.

    Give it as ``ssl=``: it works on every transport, and with everything else that takes an ``ssl.SSLContext``. The
    pins are checked right after the handshake, each time, before a byte of a request is sent. The certificate must be
    valid as well: its chain, its name and its dates.

    Example::

        context = pinned_context("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha256/...the next key...")
        async with Cable("wss://example.com/cable", ssl=context) as cable:
            ...

    Args:
        pins: One of these must fit. ``sha256/`` and Base64: the SHA-256 of the server's public key (its
            SubjectPublicKeyInfo, as in RFC 7469), which stays when a certificate is renewed with the same key. 64
            hexadecimal digits, with colons or without: that of the whole certificate, its fingerprint.
        check: Called with the certificate as DER, after the pins. What it raises, or ``False``, refuses the server. It
            is called on the event loop and must not block.
        cafile: A file of authorities to trust in place of the system's, as in ``ssl.create_default_context()``.
        capath: A folder of them.
        cadata: Authorities, as PEM or DER.

    Raises:
        UsageError: A pin has neither form, or nothing is pinned.
        OSError: A file cannot be read.
    """
    held = Pins.of(pins, check)
    context = ssl.create_default_context(cafile=cafile, capath=capath, cadata=cadata)
    context.sslobject_class, context.sslsocket_class = _pinned_classes(held)
    return context


def _pinned_classes(pins: Pins) -> tuple[type[ssl.SSLObject], type[ssl.SSLSocket]]:
    """Return the classes that a context makes its lines of: for event loops, and for programs without one."""

    class PinnedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            pins.verify(self.getpeercert(binary_form=True))

    class PinnedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as the standard library has it
            super().do_handshake(block)
            pins.verify(self.getpeercert(binary_form=True))

    return PinnedObject, PinnedSocket


def _unpinned(key: bytes | None, certificate: bytes, why: str = "") -> Unpinned:
    error = Unpinned(1, "the certificate is not pinned")
    error.why = printable(why)
    error.key = f"sha256/{base64.b64encode(key).decode()}" if key is not None else ""
    error.certificate = certificate.hex()
    return error


def _key_digest(certificate: bytes) -> bytes | None:
    key = public_key_info(certificate)
    return None if key is None else hashlib.sha256(key).digest()


def public_key_info(certificate: bytes) -> bytes | None:
    """Return the SubjectPublicKeyInfo (RFC 5280 section 4.1) of a certificate, ``None`` if that cannot be read."""
    try:
        signed = _value(certificate, _value(certificate, 0))
        # A version is there in all but the oldest; then serial number, algorithm, issuer, dates, subject.
        at = _end(certificate, signed) if certificate[signed] == _VERSION else signed
        for _ in range(5):
            at = _end(certificate, at)
        return certificate[at : _end(certificate, at)]
    except (IndexError, ValueError):
        return None


def _value(der: bytes, at: int) -> int:
    """Return where the value of the element begins that stands *at* (X.690 section 8.1)."""
    return at + 2 + (der[at + 1] & 0x7F if der[at + 1] & 0x80 else 0)


def _end(der: bytes, at: int) -> int:
    """Return where the element ends that stands *at*.

    Raises:
        ValueError: It does not end within *der*.
    """
    start = _value(der, at)
    size = int.from_bytes(der[at + 2 : start], "big") if start > at + 2 else der[at + 1]
    if start + size > len(der):
        msg = "an element is cut off"
        raise ValueError(msg)
    return start + size
