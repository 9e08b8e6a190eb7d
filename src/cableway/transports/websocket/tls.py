"""Secure lines: certificates are always verified."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from cableway.errors import PinMismatch, TLSFailure
from cableway.redact import printable
from cableway.transports.pinning import Unpinned

_CONTEXT_HINT: Final = (
    "If the server has a certificate of your own authority, pass an SSL context that knows it: "
    "ssl.create_default_context(cafile=...)"
)
_CLIENT_HINT: Final = (
    "If the server asks for a client certificate, load one into your SSL context with load_cert_chain()"
)

# Numbers of OpenSSL's x509_vfy.h.
_CERTIFICATES: Final = {
    9: ("the server's certificate is not valid yet", "Is the clock of this machine right?"),
    10: ("the server's certificate has expired", "It must be renewed on the server; if not, is the clock here right?"),
    18: ("the server's certificate is self-signed", _CONTEXT_HINT),
    19: ("the server's certificate comes from an authority that is not trusted here", _CONTEXT_HINT),
    20: (
        "the server's certificate comes from an unknown authority, or the server does not send its whole chain",
        _CONTEXT_HINT,
    ),
    21: ("the server's certificate cannot be checked: the server does not send its whole chain", _CONTEXT_HINT),
    23: ("the server's certificate was revoked", "It must be renewed on the server"),
    62: ("the server's certificate is for another host name", "Dial the name that the certificate was made for"),
    64: ("the server's certificate is not for this IP address", "Dial the name that the certificate was made for"),
}

_NOT_TLS: Final = (
    "the port does not speak TLS",
    "Is the port right? Without TLS, the address starts with ws://",
)
_REASONS: Final = {
    "WRONG_VERSION_NUMBER": _NOT_TLS,
    "RECORD_LAYER_FAILURE": _NOT_TLS,
    "HTTP_REQUEST": _NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": _NOT_TLS,
    "UNKNOWN_PROTOCOL": _NOT_TLS,
    "UNEXPECTED_EOF_WHILE_READING": ("the line was closed during the TLS handshake", _NOT_TLS[1]),
    "UNSUPPORTED_PROTOCOL": ("the server speaks only versions of TLS that are no longer safe", "Update the server"),
    "TLSV1_ALERT_PROTOCOL_VERSION": ("the server and we have no version of TLS in common", "Update the server"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ("the server asks for a client certificate", _CLIENT_HINT),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": ("the server refused the TLS handshake", _CLIENT_HINT),
    "SSLV3_ALERT_BAD_CERTIFICATE": ("the server does not accept our client certificate", _CLIENT_HINT),
    "TLSV1_ALERT_UNKNOWN_CA": ("the server does not know the authority of our client certificate", _CLIENT_HINT),
    "TLSV1_UNRECOGNIZED_NAME": ("the server knows no host of this name", "Is the host name right?"),
}


async def default_context() -> ssl.SSLContext:
    """Return a context that trusts the system's certificates and checks chain and host name."""
    # Loading the certificates takes tens of milliseconds: not on the event loop.
    return await asyncio.to_thread(ssl.create_default_context)


def explain_tls(url: str, error: Exception) -> TLSFailure:
    """Return what is wrong with the secure line, and what to try."""
    if isinstance(error, Unpinned):
        return _explain_pins(url, error)
    if isinstance(error, ssl.SSLCertVerificationError):
        unknown = (f"the server's certificate is not valid: {printable(error.verify_message)}", _CONTEXT_HINT)
        what, hint = _CERTIFICATES.get(error.verify_code, unknown)
    elif isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""
        what, hint = _REASONS.get(reason, (f"the TLS handshake failed: {reason or type(error).__name__}", ""))
    else:
        what, hint = _REASONS["UNEXPECTED_EOF_WHILE_READING"]
    return TLSFailure(url, what, hint)


def _explain_pins(url: str, error: Unpinned) -> PinMismatch:
    found = f"its public key is {error.key or '(unreadable)'}, its fingerprint sha256:{error.certificate}"
    why = f"was not accepted by your check: {error.why}" if error.why else "is none of those pinned"
    hint = (
        "Nothing was sent. If the key was changed on purpose, give the new one to pinned_context(), before the old one "
        "is gone; if not, somebody may be listening in"
    )
    return PinMismatch(url, f"the server's certificate {why}; {found}", hint, error.key)
