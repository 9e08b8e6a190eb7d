"""Policies that are fetched from a server, and what their documents may say."""

from __future__ import annotations

from cableway.errors.base import CableError
from cableway.redact import redact_url


class BadPolicy(CableError, ValueError):
    """A policy document that is not taken: the text names the rule. The one before it stays in force."""


class PolicyFailed(CableError):
    """A policy could not be fetched, or was not taken; the one before it stays in force."""

    def __init__(
        self,
        url: str,
        what: str,
        *,
        status: int | None = None,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> None:
        self.url: str = redact_url(url)
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        super().__init__(f"no policy from {self.url}: {what}")
