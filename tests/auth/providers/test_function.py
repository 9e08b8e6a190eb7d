"""A user's function that gives tokens, and all that may go wrong in it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cableway.auth.providers.function import CallableToken
from cableway.auth.token import Token
from cableway.errors import Unauthorized, UsageError
from cableway.errors.tokens import TokenUnavailable
from tests.scripted import background, settle

if TYPE_CHECKING:
    from tests.test_secrecy import Everything

pytestmark = pytest.mark.looptime

MARK = "s3cr3t"


async def slow(value: Any = MARK) -> Any:
    """Give something after a minute."""
    await asyncio.sleep(60)
    return value


def failing() -> str:
    """Fail with a secret in the text."""
    raise ValueError(MARK)


class Desk:
    """Gives tokens from a method and as an object."""

    def token(self) -> str:
        return MARK

    async def __call__(self) -> Token:
        return Token(MARK)


@pytest.mark.parametrize(
    "function",
    [lambda: MARK, lambda: Token(MARK), slow, partial(slow, MARK), Desk().token, Desk(), lambda: slow(Token(MARK))],
)
async def test_any_function(function: Any) -> None:
    """Plain or async, bound or not, giving a str or a Token."""
    assert await CallableToken(function).fetch() == Token(MARK)


async def test_it_is_asked_each_time() -> None:
    """Nothing is kept."""
    given = iter(["one", "two"])
    provider = CallableToken(lambda: next(given))
    assert [(await provider.fetch()).value, (await provider.fetch()).value] == ["one", "two"]
    with pytest.raises(TokenUnavailable, match="failed with StopIteration at"):
        await provider.fetch()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "NoneType"),
        (MARK.encode(), "bytes"),
        ({"token": MARK}, "dict"),
        ("", "empty"),
        (MARK + "x" * 2**20, "the limit is"),
        (f"{MARK}\n", "line end"),
    ],
)
async def test_what_is_no_token(given: Any, told: str, everything: Everything) -> None:
    """It counts as a failure of the function, worth another try."""
    for function in (lambda: given, partial(slow, given)):
        with pytest.raises(TokenUnavailable, match=told) as caught:
            await CallableToken(function).fetch()
        everything.show(caught.value)


async def test_a_failing_function(everything: Everything) -> None:
    """Its error's kind and place are told; its text, which may hold a secret, is not."""
    provider = CallableToken(failing)
    with pytest.raises(TokenUnavailable) as caught:
        await provider.fetch()
    line = failing.__code__.co_firstlineno + 2
    told = f"no token from the function failing: it failed with ValueError at test_function.py:{line}"
    assert str(caught.value) == told
    everything.show(caught.value, provider)


async def test_a_function_may_speak_for_itself() -> None:
    """By our own errors: when to ask again, or that it is no use."""
    busy_error = TokenUnavailable("the phone", "it is off", retry_after=30)
    fired_error = Unauthorized("revoked")

    def busy() -> str:
        raise busy_error

    def fired() -> str:
        raise fired_error

    with pytest.raises(TokenUnavailable, match="the phone: it is off") as caught:
        await CallableToken(busy).fetch()
    assert caught.value.retry_after == 30
    with pytest.raises(Unauthorized):
        await CallableToken(fired).fetch()


async def test_cancelling_cancels_the_function() -> None:
    """And leaves no task behind."""
    ended: list[str] = []

    async def held() -> str:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("yes")
        return MARK

    before = asyncio.all_tasks()
    task = background(CallableToken(held).fetch())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["yes"]
    assert asyncio.all_tasks() == before


async def test_what_is_cancelled_within_is_a_failure() -> None:
    """Nobody cancelled who asked: he must not end as if."""

    async def careless() -> str:
        inner = background(slow())
        inner.cancel()
        return str(await inner)

    with pytest.raises(TokenUnavailable, match="was cancelled"):
        await CallableToken(careless).fetch()


@pytest.mark.parametrize("function", [None, "abc", 5])
def test_what_is_no_function(function: Any) -> None:
    """It is refused when it is given."""
    with pytest.raises(UsageError, match="comes from a function"):
        CallableToken(function)


def test_a_function_that_needs_arguments() -> None:
    """It would fail at each try."""
    with pytest.raises(UsageError, match="needs arguments"):
        CallableToken(lambda user: user)  # type: ignore[misc]


def test_its_name() -> None:
    """It is that of the function, without what is bound to it."""
    assert CallableToken(partial(slow, MARK)).label == "the function slow"
    assert repr(CallableToken(Desk())) == "CallableToken(Desk)"
    assert CallableToken(slow).renewable is True
