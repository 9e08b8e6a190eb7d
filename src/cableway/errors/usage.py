"""The caller's side: nothing was sent."""

from __future__ import annotations

from cableway.errors.base import CableError
from cableway.redact import redact_url


class UsageError(CableError, ValueError):
    """The call cannot be carried out as it was made. Nothing was sent."""


class InvalidURL(UsageError):
    """The address cannot be dialled."""

    def __init__(self, url: object, rule: str, example: str = "wss://example.com/cable") -> None:
        self.url: str = redact_url(url) if isinstance(url, str) else type(url).__name__
        self.rule = rule
        super().__init__(f"cannot dial {self.url!r}: {rule}; for example {example}")


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
            f"Send less at once, or raise max_command_size= (long polling: max_request_size=) if your server allows it"
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
