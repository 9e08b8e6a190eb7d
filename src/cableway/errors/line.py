"""The line was open, then broke, or was ended by the server."""

from __future__ import annotations

from typing import ClassVar

from cableway.errors.base import CableError
from cableway.redact import printable


class LineLost(CableError):
    """The line was open, then broke."""

    retryable = True


class LineClosed(LineLost):
    """The line was closed by the server or by the network."""

    def __init__(
        self, code: int | None, reason: str = "", error: BaseException | None = None, *, hint: str = ""
    ) -> None:
        self.code = code
        self.reason = reason
        self.hint: str = hint or getattr(error, "hint", "")
        told = f"with code {code}" if code is not None else "without a word"
        why = f" ({printable(reason)})" if reason else ""
        way_out = f". {self.hint}" if self.hint else ""
        if isinstance(error, CableError) and code is None:
            # It tells what happened, in words that hold no secret.
            super().__init__(f"the line ended: {getattr(error, 'what', error)}{why}{way_out}")
        else:
            cause = f": {type(error).__name__}" if error is not None else ""
            super().__init__(f"the line was closed {told}{why}{cause}{way_out}")
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


class ServerDisconnect(CableError):
    """The server ended the session with a ``disconnect`` message."""

    label: ClassVar[str] = "the server disconnected us"

    def __init__(
        self, reason: str | None, *, reconnect: bool = True, hint: str = "", retry_after: float | None = None
    ) -> None:
        self.reason = reason
        self.reconnect = reconnect
        self.hint = hint
        self.retry_after = retry_after
        """Seconds over which the server asks its clients to spread their return, if it said so."""
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
