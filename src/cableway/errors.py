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
    │   ├── TLSFailure                   no secure line: certificate, name or protocol version
    │   ├── ProxyFailure                 the proxy did not let us through
    │   ├── HandshakeRefused             the server answered the upgrade with an HTTP status
    │   ├── NotAWebSocket                something answered, but not a WebSocket server
    │   ├── ConnectTimeout               no line within the time allowed
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
    │   ├── NamingFault                  the function that names a stream failed
    │   └── MailboxOverflow              messages came faster than they were read
    ├── NotConnected                     the line is down and the call needs it now
    └── PublishFailed                    a server did not accept a publication
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cableway.redact import printable, redact_identifier, redact_text, redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "CableError",
    "ConnectError",
    "ConnectTimeout",
    "HandshakeRefused",
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
    "ProxyFailure",
    "PublishFailed",
    "ServerDisconnect",
    "SourceFailed",
    "SubscriptionClosed",
    "SubscriptionError",
    "SubscriptionRejected",
    "SubscriptionTimeout",
    "TLSFailure",
    "Unauthorized",
    "UnsupportedProtocol",
    "UsageError",
    "WrongLoop",
]


class CableError(Exception):
    """Root of all errors that Cableway raises on purpose."""

    retryable: bool = False
    """Whether the same call, made again later, can succeed."""


# The caller's side ---------------------------------------------------------------------------------------------------


class UsageError(CableError, ValueError):
    """The call cannot be carried out as it was made. Nothing was sent."""


class InvalidURL(UsageError):
    """The address cannot be dialled."""

    def __init__(self, url: object, rule: str) -> None:
        self.url: str = redact_url(url) if isinstance(url, str) else type(url).__name__
        self.rule = rule
        super().__init__(f"cannot dial {self.url!r}: {rule}; for example wss://example.com/cable")


class InvalidIdentifier(UsageError):
    """The channel name or the parameters do not make an identifier."""


class InvalidPayload(UsageError):
    """The data of a command is not what the protocol can carry."""


class MessageTooLarge(UsageError):
    """The command is larger than the limit."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(
            f"the command is {size} bytes and the limit is {limit}: AnyCable closes a line on which more arrives. "
            f"Send less at once, or raise max_command_size= if your server allows it"
        )


class InvalidHeader(UsageError):
    """A header, cookie or query parameter must not go on the wire as it is."""


class MissingExtra(UsageError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        super().__init__(f"{feature} needs an optional dependency: pip install 'cableway[{extra}]'")


class WrongLoop(UsageError, RuntimeError):
    """The object belongs to another event loop or process."""


# Could not be opened -------------------------------------------------------------------------------------------------


class ConnectError(CableError):
    """The line could not be opened."""

    retryable = True

    def __init__(self, url: str, what: str, hint: str = "") -> None:
        self.url: str = redact_url(url)
        self.what = what
        self.hint = hint
        super().__init__(f"{self.url}: {what}" + (f". {hint}" if hint else ""))


class HostUnreachable(ConnectError):
    """The name was not found, the port refused, or no route led there."""


class TLSFailure(ConnectError):
    """No secure line could be made."""


class ProxyFailure(ConnectError):
    """The proxy did not let us through."""

    def __init__(self, url: str, what: str, hint: str = "", status: int | None = None) -> None:
        self.status = status
        super().__init__(url, what, hint)

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """False where the proxy asks for credentials: asking again changes nothing."""
        return self.status != 407


class HandshakeRefused(ConnectError):
    """The server answered the upgrade with an HTTP status other than 101."""

    def __init__(self, url: str, status: int, headers: Mapping[str, str], body: bytes = b"", hint: str = "") -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers)
        self.body = body
        super().__init__(url, f"the server refused the upgrade with HTTP {status}", hint)


class NotAWebSocket(ConnectError):
    """Something answered, but it does not speak WebSocket."""

    def __init__(self, url: str, what: str, hint: str = "", status: int | None = None) -> None:
        self.status = status
        super().__init__(url, what, hint)


class ConnectTimeout(ConnectError, TimeoutError):
    """No line within the time allowed; ``__cause__`` is the last failure, where there was one."""

    def __init__(self, url: str, seconds: float, phase: str, last: BaseException | None = None) -> None:
        self.seconds = seconds
        self.phase = phase
        self.last = last
        after = f"; the last try ended with: {redact_text(str(last))}" if last is not None else ""
        super().__init__(url, f"{phase} within {seconds:g} s{after}")
        self.__cause__: BaseException | None = last


class UnsupportedProtocol(ConnectError):
    """Client and server have no protocol in common."""

    retryable = False

    def __init__(self, url: str, selected: str | None, offered: Sequence[str]) -> None:
        self.selected = selected
        self.offered: tuple[str, ...] = tuple(offered)
        super().__init__(
            url,
            f"the server chose the subprotocol {printable(repr(selected))}; offered were {', '.join(self.offered)}",
            "Is this an Action Cable or AnyCable server, and the right path?",
        )


class SourceFailed(ConnectError):
    """A function of yours that is asked before each dial failed; ``__cause__`` is its error."""

    def __init__(self, url: str, source: str, error: BaseException) -> None:
        self.source = source
        super().__init__(url, f"the {source} function failed with {type(error).__name__}", "Only this dial is affected")
        self.__cause__: BaseException | None = error


# Was open, then broke ------------------------------------------------------------------------------------------------


class LineLost(CableError):
    """The line was open, then broke."""

    retryable = True


class LineClosed(LineLost):
    """The line was closed by the server or by the network."""

    def __init__(self, code: int | None, reason: str = "", error: BaseException | None = None) -> None:
        self.code = code
        self.reason = reason
        told = f"with code {code}" if code is not None else "without a word"
        why = f" ({printable(reason)})" if reason else ""
        cause = f": {type(error).__name__}" if error is not None else ""
        super().__init__(f"the line was closed {told}{why}{cause}")
        self.__cause__: BaseException | None = error


class LineStale(LineLost):
    """Nothing came, or nothing could be written, for too long."""

    def __init__(self, seconds: float, what: str = "nothing came from the server") -> None:
        self.seconds = seconds
        super().__init__(f"{what} for {seconds:.3g} s: the line is taken for dead")


class MalformedFrame(LineLost):
    """The server sent something that is no frame of the protocol."""

    def __init__(self, rule: str, size: int = 0) -> None:
        self.rule = rule
        self.size = size
        super().__init__(f"malformed frame of {size} bytes: {rule}" if size else f"malformed frame: {rule}")


# The server said so --------------------------------------------------------------------------------------------------


class ServerDisconnect(CableError):
    """The server ended the session with a ``disconnect`` message."""

    label: ClassVar[str] = "the server disconnected us"

    def __init__(self, reason: str | None, *, reconnect: bool = True, hint: str = "") -> None:
        self.reason = reason
        self.reconnect = reconnect
        self.hint = hint
        again = "" if reconnect else " and asks not to come back"
        super().__init__(
            f"{self.label}: {printable(reason or 'no reason given')}{again}" + (f". {hint}" if hint else "")
        )

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """What the server asked for: whether to come back."""
        return self.reconnect


class Unauthorized(ServerDisconnect):
    """The server does not accept our credentials."""

    label = "the server does not accept our credentials"

    def __init__(
        self, reason: str | None, *, reconnect: bool = False, hint: str = "", status: int | None = None
    ) -> None:
        self.status = status
        super().__init__(reason, reconnect=reconnect, hint=hint)


# Subscriptions -------------------------------------------------------------------------------------------------------


class SubscriptionError(CableError):
    """Something about one subscription; the line and the others are not affected."""

    def __init__(self, identifier: str, text: str) -> None:
        self.identifier = identifier
        super().__init__(f"{redact_identifier(identifier)}: {text}")


class SubscriptionRejected(SubscriptionError):
    """The channel refused the subscription, or took it back later."""

    def __init__(self, identifier: str, *, revoked: bool = False) -> None:
        self.revoked = revoked
        what = "the server took the subscription back" if revoked else "the server rejected the subscription"
        super().__init__(identifier, f"{what}; Action Cable gives no reason. Check the parameters and the rights")


class SubscriptionTimeout(SubscriptionError, TimeoutError):
    """The server never answered the subscribe command. It is tried again in the background."""

    retryable = True

    def __init__(self, identifier: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            identifier,
            f"no answer within {seconds:g} s, though asked twice. Rails gives no answer to an unknown channel class: "
            f"is the name spelt as in the server's code? Trying again in the background",
        )


class SubscriptionClosed(SubscriptionError):
    """The subscription was used after ``unsubscribe()`` or after its block was left."""

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier, "this handle was unsubscribed; call cable.subscribe(...) for a new one")


class NamingFault(SubscriptionError):
    """The function that names a stream failed; ``__cause__`` is its error. It is asked again in the background."""

    retryable = True

    def __init__(self, error: BaseException) -> None:
        what = f"its function failed with {type(error).__name__}; it is asked again in the background"
        super().__init__("a signed stream", what)
        self.__cause__: BaseException | None = error


class MailboxOverflow(SubscriptionError):
    """Messages came faster than they were read, and the mailbox was asked to say so."""

    def __init__(self, identifier: str, limit: str) -> None:
        self.limit = limit
        super().__init__(identifier, f"the mailbox is full ({limit}); read faster, or choose another overflow policy")


class NotConnected(CableError):
    """The line is down and the call needs it now. Nothing was sent."""

    retryable = True

    def __init__(self, state: str, hint: str = "") -> None:
        self.state = state
        super().__init__(f"the cable is {state}" + (f": {hint}" if hint else ""))


class PublishFailed(CableError):
    """A server did not accept a publication."""

    def __init__(self, url: str, what: str, *, status: int | None = None, retryable: bool = True) -> None:
        self.url: str = redact_url(url)
        self.status = status
        self.retryable = retryable
        super().__init__(f"{self.url}: {what}")
