"""What an error on the way to a line means. Does no I/O; what to do about each symptom is a table of its own."""

from __future__ import annotations

import errno
import socket
from enum import Enum
from typing import TYPE_CHECKING, Final

from cableway.cli.doctor.findings import Part, Step
from cableway.errors import (
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    LineClosed,
    MissingExtra,
    NotAWebSocket,
    NotOffered,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    TLSFailure,
    Unauthorized,
    UnsupportedProtocol,
    UsageError,
)
from cableway.errors.tokens import TokenUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Symptom(Enum):
    """What is wrong, or worth knowing; its value is the word for it in JSON."""

    # The token
    NO_TOKEN = "no_token"  # noqa: S105 - a word, not a token

    # The proxy
    PROXY_ASKS_LOGIN = "proxy_asks_login"
    PROXY_FORBIDS = "proxy_forbids"
    PROXY_LOST = "proxy_lost"
    PROXY_UNREACHED = "proxy_unreached"
    PROXY_UNUSABLE = "proxy_unusable"

    # The name and the port
    NAME_UNKNOWN = "name_unknown"
    NAME_UNANSWERED = "name_unanswered"
    REFUSED = "refused"
    NO_ROUTE = "no_route"
    NO_ANSWER = "no_answer"
    DEAD_ADDRESS = "dead_address"
    CUT = "cut"

    # TLS
    EXPIRED = "certificate_expired"
    NOT_YET_VALID = "certificate_not_yet_valid"
    ENDS_SOON = "certificate_ends_soon"
    OTHER_HOST = "certificate_for_other_host"
    UNKNOWN_AUTHORITY = "certificate_from_unknown_authority"
    BAD_CERTIFICATE = "certificate_not_valid"
    NOT_TLS = "not_tls"
    WANTS_CERTIFICATE = "wants_client_certificate"
    OLD_TLS = "tls_version"
    TLS_CUT = "tls_cut"
    TLS_SILENT = "tls_silent"

    # What answers, and how
    NOT_HTTP = "not_http"
    SOMETHING_ELSE = "something_else_answers"
    REDIRECT = "redirect"
    LOGIN = "login_demanded"
    UPGRADE_DROPPED = "upgrade_dropped"
    UPGRADE_SWALLOWED = "upgrade_swallowed"
    UPGRADE_CUT = "upgrade_cut"
    UPGRADE_SPOILED = "upgrade_spoiled"
    NO_COMMON_PROTOCOL = "no_common_protocol"
    NOT_FOUND = "not_found"
    ORIGIN_OR_UPGRADE = "origin_or_upgrade"
    NOT_OFFERED = "not_offered"
    NOT_AUTHENTICATED = "not_authenticated"
    FORBIDDEN = "forbidden"
    TOO_MANY = "too_many_requests"
    SERVER_FAILED = "server_failed"
    NO_BACKEND = "backend_not_reached"
    UNAVAILABLE = "unavailable"
    OTHER_STATUS = "other_status"
    REQUEST_SILENT = "request_silent"

    # The session
    REJECTED = "rejected"
    SENT_AWAY = "sent_away"
    TOKEN_WITHOUT_NAME = "closed_1011"  # noqa: S105 - as above
    LINE_LOST = "line_lost"
    NO_WELCOME = "no_welcome"
    STREAM_HELD_BACK = "stream_held_back"
    NO_BEAT = "no_beat"
    SESSION_GONE = "session_gone"
    POLL_LOST = "poll_lost"
    NOT_HELD = "not_held"

    OTHER = "other"


_UPGRADE: Final = {
    400: Symptom.UPGRADE_DROPPED,
    404: Symptom.NOT_FOUND,
    405: Symptom.UPGRADE_DROPPED,
    410: Symptom.NOT_FOUND,
    426: Symptom.UPGRADE_DROPPED,
    501: Symptom.UPGRADE_DROPPED,
    505: Symptom.UPGRADE_DROPPED,
}
_STATUSES: Final = {
    401: Symptom.NOT_AUTHENTICATED,
    403: Symptom.FORBIDDEN,
    407: Symptom.PROXY_ASKS_LOGIN,
    429: Symptom.TOO_MANY,
    502: Symptom.NO_BACKEND,
    503: Symptom.UNAVAILABLE,
    504: Symptom.NO_BACKEND,
    511: Symptom.LOGIN,
}

_ERRNOS: Final = {
    errno.ECONNREFUSED: Symptom.REFUSED,
    errno.ENETUNREACH: Symptom.NO_ROUTE,
    errno.EHOSTUNREACH: Symptom.NO_ROUTE,
    errno.EADDRNOTAVAIL: Symptom.NO_ROUTE,
    errno.ETIMEDOUT: Symptom.NO_ANSWER,
    errno.ECONNRESET: Symptom.CUT,
    errno.ECONNABORTED: Symptom.CUT,
}

# Numbers of OpenSSL's x509_vfy.h, and the names of its errors.
_CERTIFICATES: Final = {
    9: Symptom.NOT_YET_VALID,
    10: Symptom.EXPIRED,
    **dict.fromkeys((18, 19, 20, 21), Symptom.UNKNOWN_AUTHORITY),
    62: Symptom.OTHER_HOST,
    64: Symptom.OTHER_HOST,
}
_TLS: Final = {
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL"),
        Symptom.NOT_TLS,
    ),
    **dict.fromkeys(
        (
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "TLSV1_ALERT_UNKNOWN_CA",
        ),
        Symptom.WANTS_CERTIFICATE,
    ),
    **dict.fromkeys(("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"), Symptom.OLD_TLS),
    "TLSV1_UNRECOGNIZED_NAME": Symptom.OTHER_HOST,
    "UNEXPECTED_EOF_WHILE_READING": Symptom.TLS_CUT,
}


def symptom_of(error: BaseException, step: Step, part: Part | None = None) -> Symptom:
    """Tell what *error* means that ended *step* of *part*. Errors are those of the transports, with their causes."""
    symptom = _symptom(error, step)
    held_back = symptom is Symptom.NO_WELCOME and part is Part.EVENTS
    return Symptom.STREAM_HELD_BACK if held_back else symptom


def _symptom(error: BaseException, step: Step) -> Symptom:
    for kind, reader in _READERS.items():
        if isinstance(error, kind):
            return reader(error, step)
    return _LOSSES.get(step, Symptom.OTHER)


def _of_refusal(error: HandshakeRefused, step: Step) -> Symptom:
    if step is Step.POLL and error.status == 401:
        return Symptom.SESSION_GONE
    if step is Step.HOLD and error.status in {502, 504}:
        return Symptom.POLL_LOST
    if 300 <= error.status < 400:
        return Symptom.REDIRECT
    if step is Step.UPGRADE and error.status == 404 and error.body.strip() == b"Page not found":
        return Symptom.ORIGIN_OR_UPGRADE
    if step is Step.UPGRADE and error.status == 400 and b"HTTPS" in error.body:
        return Symptom.NOT_HTTP
    usual = Symptom.SERVER_FAILED if error.status >= 500 else Symptom.OTHER_STATUS
    known = _STATUSES.get(error.status, usual)
    return _UPGRADE.get(error.status, known) if step is Step.UPGRADE else known


def _of_proxy(error: ProxyFailure, _: Step) -> Symptom:
    if error.status is None:
        return Symptom.PROXY_UNREACHED
    if error.status in {401, 407}:
        return Symptom.PROXY_ASKS_LOGIN
    return Symptom.PROXY_LOST if error.status >= 500 else Symptom.PROXY_FORBIDS


def _of_answer(error: NotAWebSocket, _: Step) -> Symptom:
    if error.status is None:
        return Symptom.NOT_HTTP
    if 300 <= error.status < 400:
        return Symptom.REDIRECT
    return {101: Symptom.UPGRADE_SPOILED, 511: Symptom.LOGIN}.get(error.status, Symptom.SOMETHING_ELSE)


def _of_certificate(error: TLSFailure, _: Step) -> Symptom:
    cause = error.__cause__
    code = getattr(cause, "verify_code", None)
    if code:
        return _CERTIFICATES.get(code, Symptom.BAD_CERTIFICATE)
    return _TLS.get(getattr(cause, "reason", None) or "", Symptom.TLS_CUT)


def _of_host(error: HostUnreachable, _: Step) -> Symptom:
    seen: BaseException | None = error
    while seen is not None:
        # What httpx2 raises is wrapped more than once.
        if isinstance(seen, OSError) and seen.errno:
            return of_network(seen)
        seen = seen.__cause__ or seen.__context__
    return Symptom.CUT


def of_network(error: OSError) -> Symptom:
    """Tell what an error of the system means that came of looking a name up, or of connecting."""
    if isinstance(error, socket.gaierror):
        return Symptom.NAME_UNANSWERED if error.errno == socket.EAI_AGAIN else Symptom.NAME_UNKNOWN
    if isinstance(error, TimeoutError):
        return Symptom.NO_ANSWER
    return _ERRNOS.get(error.errno or 0, Symptom.OTHER)


_SILENCES: Final = {
    Step.UPGRADE: Symptom.UPGRADE_SWALLOWED,
    Step.WELCOME: Symptom.NO_WELCOME,
    Step.POLL: Symptom.POLL_LOST,
    Step.HOLD: Symptom.POLL_LOST,
}

_LOSSES: Final = {
    Step.WELCOME: Symptom.LINE_LOST,
    Step.PING: Symptom.LINE_LOST,
    Step.POLL: Symptom.POLL_LOST,
    Step.HOLD: Symptom.POLL_LOST,
}

_OUT_OF_TIME: Final = {
    Step.NAME: Symptom.NAME_UNANSWERED,
    Step.TUNNEL: Symptom.PROXY_UNREACHED,
    Step.TLS: Symptom.TLS_SILENT,
}


def _of_closing(error: LineClosed, step: Step) -> Symptom:
    if error.__cause__ is not None and not isinstance(error.__cause__, OSError):
        return symptom_of(error.__cause__, step)
    if error.code == 1011:
        return Symptom.TOKEN_WITHOUT_NAME
    return _LOSSES.get(step, Symptom.LINE_LOST)


def _of_disconnect(error: ServerDisconnect, step: Step) -> Symptom:
    if error.reason == "session_expired" and step in {Step.POLL, Step.HOLD}:
        return Symptom.SESSION_GONE
    return Symptom.SENT_AWAY


# The first that fits counts: those of a kind stand before the kind.
_READERS: Final[Mapping[type[BaseException], Callable[..., Symptom]]] = {
    NotOffered: lambda *_: Symptom.NOT_OFFERED,
    HandshakeRefused: _of_refusal,
    ProxyFailure: _of_proxy,
    NotAWebSocket: _of_answer,
    TLSFailure: _of_certificate,
    HandshakeCut: lambda _, step: Symptom.UPGRADE_CUT if step is Step.UPGRADE else Symptom.CUT,
    HostUnreachable: _of_host,
    ServerSilent: lambda _, step: _SILENCES.get(step, Symptom.REQUEST_SILENT),
    ConnectTimeout: lambda _, step: _OUT_OF_TIME.get(step, Symptom.NO_ANSWER),
    UnsupportedProtocol: lambda *_: Symptom.NO_COMMON_PROTOCOL,
    Unauthorized: lambda _, step: Symptom.NO_TOKEN if step is Step.TOKEN else Symptom.REJECTED,
    ServerDisconnect: _of_disconnect,
    LineClosed: _of_closing,
    TokenUnavailable: lambda *_: Symptom.NO_TOKEN,
    MissingExtra: lambda *_: Symptom.PROXY_UNUSABLE,
    UsageError: lambda *_: Symptom.PROXY_UNUSABLE,
    OSError: lambda error, _: of_network(error),
}
