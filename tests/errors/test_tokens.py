"""The error of a source that gave no token."""

from __future__ import annotations

from cableway.errors import CableError
from cableway.errors.tokens import TokenUnavailable


def test_it_tells_who_and_what() -> None:
    """Its facts are fields, and its text is made of them."""
    error = TokenUnavailable("the file /run/token", "it is empty", status=503, retry_after=7.0)
    assert str(error) == "no token from the file /run/token: it is empty"
    assert (error.label, error.what, error.status, error.retry_after) == (
        "the file /run/token",
        "it is empty",
        503,
        7.0,
    )


def test_asking_again_can_help() -> None:
    """A source that failed once, or for an hour, is not the end."""
    error = TokenUnavailable("x", "y")
    assert isinstance(error, CableError)
    assert error.retryable
    assert error.status is None
    assert error.retry_after is None
