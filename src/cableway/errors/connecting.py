"""The line could not be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.errors.base import CableError
from cableway.redact import printable, redact_subprotocol, redact_text, redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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


class HandshakeCut(HostUnreachable):
    """The host was reached, and the connection cut before the request for a line was answered."""


class TLSFailure(ConnectError):
    """No secure line could be made."""


class PinMismatch(TLSFailure):
    """The server's certificate is a valid one, but none of those that were pinned; nothing was sent to it."""

    def __init__(self, url: str, what: str, hint: str = "", key: str = "") -> None:
        self.key = key
        """The pin of the public key that the server has, ``sha256/...``; empty if it could not be read."""
        super().__init__(url, what, hint)


class ProxyFailure(ConnectError):
    """The proxy did not let us through."""

    def __init__(
        self,
        url: str,
        what: str,
        hint: str = "",
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers or {})
        super().__init__(url, what, hint)

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """False where the proxy asks for credentials, or for others: asking again changes nothing."""
        return self.status not in {401, 407}


class HandshakeRefused(ConnectError):
    """The server answered the upgrade, or another request that a line is made of, with an HTTP status of refusal."""

    def __init__(
        self,
        url: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes = b"",
        hint: str = "",
        *,
        step: str = "the upgrade",
    ) -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers)
        self.body = body
        self.step = step
        """What was refused, in words."""
        super().__init__(url, f"the server refused {step} with HTTP {status}", hint)


class NotOffered(HandshakeRefused):
    """The server has no such transport at this address: it answered 404, 405 or 501 where one begins."""


class NotAWebSocket(ConnectError):
    """Something answered, but it does not speak WebSocket."""

    def __init__(self, url: str, what: str, hint: str = "", status: int | None = None) -> None:
        self.status = status
        super().__init__(url, what, hint)


class CaptivePortal(NotAWebSocket):
    """A page or a redirect of the network's came where an answer of the server was due: it may want a sign-in."""

    def __init__(
        self, url: str, what: str, hint: str = "", status: int | None = None, portal: str | None = None
    ) -> None:
        self.portal = portal
        """Host and port of the page for the sign-in, where the answer names it."""
        super().__init__(url, what, hint, status)


class ConnectTimeout(ConnectError, TimeoutError):
    """No line within the time allowed; ``__cause__`` is the last failure, where there was one."""

    def __init__(self, url: str, seconds: float, phase: str, last: BaseException | None = None) -> None:
        self.seconds = seconds
        self.phase = phase
        self.last = last
        after = f"; the last try ended with: {redact_text(str(last))}" if last is not None else ""
        super().__init__(url, f"{phase} within {seconds:g} s{after}")
        self.__cause__: BaseException | None = last


class ServerSilent(ConnectTimeout):
    """The host was reached, but the server did not answer the upgrade, or did not welcome us: it has too much to do."""


class UnsupportedProtocol(ConnectError):
    """Client and server have no protocol in common."""

    retryable = False

    def __init__(self, url: str, selected: str | None, offered: Sequence[str], hint: str = "") -> None:
        self.selected: str | None = None if selected is None else redact_subprotocol(selected)
        """What the server chose; a token in it is cut out."""
        self.offered: tuple[str, ...] = tuple(offered)
        chosen = "no subprotocol" if selected is None else f"the subprotocol {printable(repr(self.selected))}"
        super().__init__(
            url,
            f"the server chose {chosen}; offered were {', '.join(self.offered)}",
            hint or "Is this an Action Cable or AnyCable server, and the right path?",
        )


class SourceFailed(ConnectError):
    """A function of yours that is asked before each dial failed; ``__cause__`` is its error."""

    def __init__(self, url: str, source: str, error: BaseException) -> None:
        self.source = source
        super().__init__(url, f"the {source} function failed with {type(error).__name__}", "Only this dial is affected")
        self.__cause__: BaseException | None = error
