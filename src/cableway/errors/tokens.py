"""Sources of tokens that gave none."""

from __future__ import annotations

from cableway.errors.base import CableError


class TokenUnavailable(CableError):
    """A source of tokens gave none this time; asking again later can help.

    The text names the source and what happened. It never holds what the source said: that may be a secret.
    """

    retryable = True

    def __init__(
        self,
        label: str,
        what: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.label: str = label
        """Which source; holds no secret."""
        self.what: str = what
        """What happened."""
        self.status: int | None = status
        """The HTTP status, where an HTTP server answered."""
        self.retry_after: float | None = retry_after
        """For how many seconds the source asked to be left alone; ``None`` if it did not."""
        super().__init__(f"no token from {label}: {what}")
