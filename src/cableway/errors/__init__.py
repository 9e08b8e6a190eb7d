"""The one tree of errors.

Each error carries its facts as fields and builds its own text; ``retryable`` tells whether trying again, with nothing
changed, can help. Addresses in texts are redacted.

::

    CableError
    ├── UsageError (also ValueError)     the caller's side: nothing was sent
    │   ├── InvalidURL                   an address that cannot be dialled
    │   ├── InvalidIdentifier            an empty channel name, or parameters that JSON cannot write
    │   ├── InvalidPayload               data that is no JSON object, or holds ``action``
    │   ├── MessageTooLarge              a command over the size limit
    │   ├── InvalidHeader                a header or query parameter that must not go on the wire
    │   ├── MissingExtra                 an optional dependency is not installed
    │   └── WrongLoop                    used from another event loop, thread or process
    ├── ConnectError                     the line could not be opened
    │   ├── HostUnreachable              name not found, port refused, network unreachable
    │   │   └── HandshakeCut             … or reached, and cut before it answered
    │   ├── TLSFailure                   no secure line: certificate, name or protocol version
    │   │   └── PinMismatch              a certificate that is none of those pinned
    │   ├── ProxyFailure                 the proxy did not let us through
    │   ├── HandshakeRefused             the server answered the upgrade with an HTTP status
    │   │   └── NotOffered               … that says that it has no such transport there
    │   ├── NotAWebSocket                something answered, but not a cable server
    │   │   └── CaptivePortal            … but a network that may want a sign-in
    │   ├── ConnectTimeout               no line within the time allowed
    │   │   └── ServerSilent             the host was reached, but the server did not answer or welcome us
    │   ├── UnsupportedProtocol          no protocol in common
    │   └── SourceFailed                 a ``headers``, ``params`` or ``url`` function failed
    ├── LineLost                         the line was open, then broke
    │   ├── LineClosed                   the server closed it, or the network did
    │   ├── LineStale                    nothing came, or nothing could be written, for too long
    │   └── MalformedFrame               the server sent what is no frame of the protocol
    ├── ServerDisconnect                 the server said ``disconnect``
    │   └── Unauthorized                 … because it does not accept our credentials
    ├── SubscriptionError
    │   ├── SubscriptionRejected         the channel refused, or took the subscription back
    │   ├── SubscriptionTimeout          the server never answered
    │   ├── SubscriptionClosed           used after ``unsubscribe``
    │   ├── PresenceFailed               the server could not tell who is present
    │   │   └── PresenceTimeout          … did not tell it in time
    │   ├── NamingFault                  the function that names a stream failed
    │   ├── HistoryRejected              the server does not have what was asked of its history
    │   ├── HistoryTimeout               it did not answer the question for it
    │   └── MailboxOverflow              messages came faster than they were read
    ├── NotConnected                     the line is down and the call needs it now
    ├── NotSupported                     the protocol of the line has no such thing
    ├── RetriesExhausted                 the backoff's own limit of attempts or time was reached
    ├── PublishFailed                    a server did not accept a publication
    ├── TokenUnavailable                 a source of tokens gave none this time
    ├── PositionsFailed                  a file of positions could not be read or written
    ├── PolicyFailed                     a remote policy could not be fetched, or was not taken
    └── BadPolicy (also ValueError)      a policy document that says what none may say
"""

from __future__ import annotations

from cableway.errors.base import CableError
from cableway.errors.connecting import (
    CaptivePortal,
    ConnectError,
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    NotAWebSocket,
    NotOffered,
    PinMismatch,
    ProxyFailure,
    ServerSilent,
    SourceFailed,
    TLSFailure,
    UnsupportedProtocol,
)
from cableway.errors.line import LineClosed, LineLost, LineStale, MalformedFrame, ServerDisconnect, Unauthorized
from cableway.errors.policy import BadPolicy, PolicyFailed
from cableway.errors.positions import PositionsFailed
from cableway.errors.subscriptions import (
    HistoryRejected,
    HistoryTimeout,
    MailboxOverflow,
    NamingFault,
    NotConnected,
    NotSupported,
    PresenceFailed,
    PresenceTimeout,
    PublishFailed,
    RetriesExhausted,
    SubscriptionClosed,
    SubscriptionError,
    SubscriptionRejected,
    SubscriptionTimeout,
)
from cableway.errors.tokens import TokenUnavailable
from cableway.errors.usage import (
    InvalidHeader,
    InvalidIdentifier,
    InvalidPayload,
    InvalidURL,
    MessageTooLarge,
    MissingExtra,
    UsageError,
    WrongLoop,
)

__all__ = [
    "BadPolicy",
    "CableError",
    "CaptivePortal",
    "ConnectError",
    "ConnectTimeout",
    "HandshakeCut",
    "HandshakeRefused",
    "HistoryRejected",
    "HistoryTimeout",
    "HostUnreachable",
    "InvalidHeader",
    "InvalidIdentifier",
    "InvalidPayload",
    "InvalidURL",
    "LineClosed",
    "LineLost",
    "LineStale",
    "MailboxOverflow",
    "MalformedFrame",
    "MessageTooLarge",
    "MissingExtra",
    "NamingFault",
    "NotAWebSocket",
    "NotConnected",
    "NotOffered",
    "NotSupported",
    "PinMismatch",
    "PolicyFailed",
    "PositionsFailed",
    "PresenceFailed",
    "PresenceTimeout",
    "ProxyFailure",
    "PublishFailed",
    "RetriesExhausted",
    "ServerDisconnect",
    "ServerSilent",
    "SourceFailed",
    "SubscriptionClosed",
    "SubscriptionError",
    "SubscriptionRejected",
    "SubscriptionTimeout",
    "TLSFailure",
    "TokenUnavailable",
    "Unauthorized",
    "UnsupportedProtocol",
    "UsageError",
    "WrongLoop",
]
