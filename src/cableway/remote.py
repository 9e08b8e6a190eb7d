"""The policy that a server may push to running clients, fetched now and then; also while the line is down."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import frozen

from cableway import runtime
from cableway.errors import PolicyFailed, UsageError
from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.remote import LARGEST, SIGNATURE_HEADER, Policy
from cableway.policies.remote_source import PolicySource, usable_etag
from cableway.redact import printable, redact_text
from cableway.runtime import Home, new_random
from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import Callable, Mapping

    import httpx2

log: logging.Logger = logging.getLogger("cableway.remote")

SHORTEST_EVERY = 1.0
"""Seconds between two fetches, at least."""

SHORTEST_TIMEOUT = 0.1
"""Seconds for a fetch, at least."""

FIRST_RETRY = 5.0
"""Middle of the wait after a first failure, in seconds."""

SPREAD = 0.1
"""How far a fetch may lie from its time, as a part of the wait: a crowd must not fetch in step."""


class RemotePolicy:
    """Fetches a JSON policy now and then, and hands each new one to the cables that are attached to it.

    One object may serve many cables of one event loop: one fetch is for all of them. It works while their lines are
    down, which is when it is needed most. Whatever goes wrong, the last good policy stays in force, and :attr:`error`
    tells what it was.

    The first fetch comes at once, the next ones *every* 300 s, give or take a tenth. After a failure it is tried again
    after 5 s, then 10 s, up to *every*, but not before a ``Retry-After`` is over, which is believed up to ten minutes.
    While nobody wants a policy, because all cables are dormant, the fetch that is due waits until one wakes.

    The environment's proxies are used, but not for loopback addresses. Redirects are not followed.

    Args:
        url: Where the document is. ``https``; or ``http`` on loopback, or anywhere if *verify* is given.
        every: Seconds between fetches, at least 1.
        verify: A secret shared with whoever signs the documents: those without the right signature in the header
            ``X-Cableway-Signature`` are refused.
        headers: To be sent with each request, such as ``Authorization``.
        timeout: Limit for each fetch, from first to last.
        ssl: TLS settings of your own; by default the certificate is checked against the usual authorities.

    Raises:
        InvalidURL: The address cannot be used.
        InvalidHeader: A header cannot go on the wire.
        UsageError: The policy could be forged on its way, *verify* is empty, or *every* or *timeout* is too short.
    """

    def __init__(
        self,
        url: str,
        *,
        every: Seconds = 300.0,
        verify: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Seconds = 10.0,
        ssl: ssl_module.SSLContext | None = None,
    ) -> None:
        self._source = PolicySource.of(url, verify, headers or {})
        self._fetcher = _Fetcher(self._source, _checked("timeout", timeout, SHORTEST_TIMEOUT), ssl)
        self._every = _checked("every", every, SHORTEST_EVERY)
        self.policy: Policy | None = None
        """The last good one."""
        self.fetched_at: float | None = None
        """When the server last gave or confirmed it, in Unix time."""
        self.failures: int = 0
        """How many fetches have failed in a row."""
        self.error: PolicyFailed | None = None
        """Why the last fetch failed; ``None`` if it did not."""
        self._etag: str | None = None
        self._attached: list[_Attached] = []
        self._backoff = ExponentialBackoff(minimum=min(FIRST_RETRY, self._every), maximum=self._every)
        self._random = new_random()
        self._home = Home("the remote policy")
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._flight: asyncio.Future[_Outcome] | None = None
        self._bell = asyncio.Event()
        self._nudged = False
        self._due = 0.0

    def __repr__(self) -> str:
        signed = ", signed" if self._source.secret is not None else ""
        return f"RemotePolicy({self._source.shown!r}, every={self._every:g}{signed})"

    def attach(self, apply: Callable[[Policy], None], wanted: Callable[[], bool] = lambda: True) -> Callable[[], None]:
        """Call *apply* with the policy that is there, if one is, and with each new one; return a function that ends it.

        From the first one that attaches to the last that ends it, a task of the running loop fetches. A policy that
        sets the same as the last is not new. An *apply* that raises stops no other; its error is logged.

        Args:
            apply: Called in the loop, and must not block it.
            wanted: Whether a policy is of use now. Where all say no, nothing is fetched; see :meth:`nudge`.

        Raises:
            WrongLoop: The object is in use in another event loop, thread or process.
        """
        loop = self._enter()
        one = _Attached(apply, wanted)
        self._attached.append(one)
        if self._task is None:
            self._bell = asyncio.Event()
            self._task = loop.create_task(self._run(), name="cableway remote policy")
        if one.wants():
            self.nudge()
        if self.policy is not None:
            one.take(self.policy)
        return lambda: self._detach(one)

    def nudge(self) -> None:
        """Tell that a policy is wanted again: a fetch that is overdue is made now.

        Raises:
            WrongLoop: The object is in use in another event loop, thread or process.
        """
        if self._attached:
            self._home.check()
            self._nudged = True
            self._bell.set()

    async def refresh(self) -> bool:
        """Fetch now, attached or not, wanted or not; tell whether a new policy was taken.

        Calls at the same time share one fetch, also with the one in the background. Cancelling one is safe: the others
        get their answer.

        Raises:
            PolicyFailed: It could not be fetched, or was not taken: the last good one stays in force. ``retryable``
                tells whether trying again, with nothing changed, can help.
            WrongLoop: The object is in use in another event loop, thread or process.
        """
        self._enter()
        outcome = await self._shared()
        # The background task may sleep until a time that is no longer right.
        self._bell.set()
        if outcome.error is not None:
            raise outcome.error
        return outcome.taken

    async def released(self) -> None:
        """Wait until nothing is left of those who ended their attachment: no task and no socket.

        Returns at once while others are attached. Cancelling it is safe.

        Raises:
            WrongLoop: The object is in use in another event loop, thread or process.
        """
        while ending := [task for task in self._ending if not task.done()]:
            self._home.check()
            await asyncio.wait(ending)

    # In the background ------------------------------------------------------------------------------------------------

    def _enter(self) -> asyncio.AbstractEventLoop:
        before = self._home.loop if self._home.settled else None
        loop = self._home.enter(at_rest=not self._attached and self._flight is None)
        if loop is not before:
            self._due = loop.time()
        return loop

    def _detach(self, one: _Attached) -> None:
        if not any(other is one for other in self._attached):
            return
        self._home.check()
        self._attached = [other for other in self._attached if other is not one]
        if not self._attached and self._task is not None:
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await self._until_due()
            await self._shared()

    async def _until_due(self) -> None:
        while True:
            self._bell.clear()
            wait = self._due - self._home.now()
            if wait <= 0 and (self._nudged or any(one.wants() for one in self._attached)):
                self._nudged = False
                return
            self._nudged = False
            with suppress(TimeoutError):
                async with asyncio.timeout(wait if wait > 0 else None):
                    await self._bell.wait()

    async def _shared(self) -> _Outcome:
        """Fetch, or wait for the fetch that is under way; if that one is cancelled, fetch in its place."""
        while (flight := self._flight) is not None:
            await asyncio.wait([flight])
            if not flight.cancelled():
                return flight.result()
        flight = self._flight = self._home.loop.create_future()
        try:
            outcome = await self._fetch()
        except BaseException:
            flight.cancel()
            raise
        finally:
            self._flight = None
        flight.set_result(outcome)
        return outcome

    async def _fetch(self) -> _Outcome:
        try:
            answer = await self._fetcher.get(self._etag)
            policy = None if answer is None else self._source.read(answer.body, answer.signature, self.policy)
        except PolicyFailed as error:
            self._failed(error)
            return _Outcome(taken=False, error=error)
        self._answered()
        if answer is None or policy is None:
            return _Outcome(taken=False)
        before, self.policy, self._etag = self.policy, policy, answer.etag
        if policy == before:
            return _Outcome(taken=False)
        self._apply(policy)
        return _Outcome(taken=True)

    def _apply(self, policy: Policy) -> None:
        log.info("%s: new policy, serial %s", self._source.shown, policy.serial)
        if policy.unknown:
            log.warning("%s: not understood, and left alone: %s", self._source.shown, ", ".join(policy.unknown))
        for one in list(self._attached):
            # One that was called before may have ended this one; it must not hear of it any more.
            if any(still is one for still in self._attached):
                one.take(policy)

    def _answered(self) -> None:
        if self.error is not None:
            log.info("%s: answers again, failures before: %d", self._source.shown, self.failures)
        self.failures, self.error = 0, None
        self.fetched_at = runtime.wall_clock()
        self._due = self._home.now() + self._every * self._random.uniform(1 - SPREAD, 1 + SPREAD)

    def _failed(self, error: PolicyFailed) -> None:
        wait = self._backoff.delay(self.failures, self._random)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after * self._random.uniform(1, 1 + SPREAD))
        # Told once, and not again before something else goes wrong: an outage of hours is no flood of lines.
        level = logging.DEBUG if str(error) == str(self.error) else logging.WARNING
        log.log(level, "%s; the policy before it stays, next try in %.1f s", error, wait)
        self.failures += 1
        self.error = error
        self._due = self._home.now() + wait


def _checked(name: str, value: Seconds, least: float) -> float:
    seconds = to_seconds(value, name)
    if seconds < least:
        msg = f"{name}={value!r} is too short: give at least {least:g} s"
        raise UsageError(msg)
    return seconds


@frozen(eq=False)
class _Attached:
    """Somebody who is told of policies. What fails in it is its own."""

    apply: Callable[[Policy], None]
    wanted: Callable[[], bool]

    def take(self, policy: Policy) -> None:
        try:
            self.apply(policy)
        except Exception:
            log.exception("a function that applies policies failed: %r", self.apply)

    def wants(self) -> bool:
        try:
            return bool(self.wanted())
        except Exception:
            log.exception("a function that tells whether policies are wanted failed: %r", self.wanted)
            return True


@frozen
class _Outcome:
    taken: bool
    error: PolicyFailed | None = None


class _Answer:
    """A document as it came."""

    def __init__(self, body: bytes, headers: httpx2.Headers) -> None:
        self.body = body
        self.signature = headers.get(SIGNATURE_HEADER)
        self.etag = usable_etag(headers.get("etag"))


@frozen
class _Fetcher:
    """Asks for the document."""

    source: PolicySource
    timeout: float
    ssl: ssl_module.SSLContext | None

    async def get(self, etag: str | None) -> _Answer | None:
        """Return the document, or ``None`` if it is still the one of *etag*."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self._get(etag)
        except TimeoutError:
            msg = f"no whole answer within {self.timeout:g} s"
            raise PolicyFailed(self.source.shown, msg) from None
        except PolicyFailed:
            raise
        except Exception as error:
            # Whatever a library raises on what a server sends: the last good policy stays, and the next fetch comes.
            told = printable(redact_text(str(error)))
            what = f"{type(error).__name__}{f': {told}' if told else ''}"
            raise PolicyFailed(self.source.shown, what) from error

    async def _get(self, etag: str | None) -> _Answer | None:
        import httpx2

        headers, target = self.source.request_headers(etag), {"target": self.source.target}
        async with (
            httpx2.AsyncClient(**self._options()) as client,
            client.stream("GET", self.source.url, headers=headers, extensions=target) as response,
        ):
            if response.status_code == 304 and etag is not None:
                return None
            self.source.check_answer(response.status_code, response.headers, runtime.wall_clock())
            return _Answer(await self._body(response), response.headers)

    def _options(self) -> dict[str, Any]:
        tls = True if self.ssl is None else self.ssl
        # The limit is for the whole; for each step alone, a server could spin it out for ever.
        return {"verify": tls, "timeout": None, "follow_redirects": False, "trust_env": not self.source.near}

    async def _body(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LARGEST:
                raise self.source.too_large()
        return bytes(body)
