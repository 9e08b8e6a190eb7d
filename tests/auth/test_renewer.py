"""The keeper of a source's tokens, on virtual time."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from attrs import define, field

from cableway.auth.providers.static import StaticToken
from cableway.auth.renewal import SLOW, Held, TokenFailed, TokenFresh, TokenRenewal
from cableway.auth.renewer import Renewer, renewer_for
from cableway.auth.token import LARGEST, Token
from cableway.errors import Unauthorized, UsageError, WrongLoop
from cableway.errors.tokens import TokenUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from cableway.auth.renewal import TokenNews

pytestmark = pytest.mark.looptime

UNIX = 1.8e9
SECRET = "a secret that is long enough for the algorithm"
DAY = 86_400.0
HOUR = 3600.0


@define(eq=False)
class Source:
    """A source of tokens, the clocks around it, and what it was asked. What it does is *behaviour*."""

    life: float = 60.0
    takes: float = 0.05
    behaviour: Callable[[Source], Coroutine[Any, Any, Any]] | None = None
    renewable: bool = True
    label: str = "the test source"
    slept: float = 0.0
    wrong: float = 0.0
    asked_at: list[float] = field(factory=list)
    made: int = 0
    flying: int = 0
    most_flying: int = 0

    async def fetch(self) -> Any:
        self.asked_at.append(now())
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            return await (self.behaviour or good)(self)
        finally:
            self.flying -= 1

    def unix(self) -> float:
        return UNIX + now() + self.slept

    def wall(self) -> float:
        return self.unix() + self.wrong

    def token(self, life: float | None = None, age: float = 0.0) -> str:
        self.made += 1
        issued = int(self.unix() - age)
        claims = {"ext": "{}", "number": self.made, "iat": issued, "exp": issued + int(life or self.life)}
        return jwt.encode(claims, SECRET, "HS256")

    def accepts(self, held: Held) -> bool:
        """Tell whether a server whose clock is right accepts *held* now."""
        claims = jwt.decode(held.token.value, options={"verify_signature": False})
        return self.unix() < claims["exp"]

    def renewer(self, options: TokenRenewal | None = None) -> Renewer:
        return Renewer(self, options, random=random.Random(3), wall=self.wall)


async def good(source: Source) -> str:
    """Give a token, in a moment."""
    await asyncio.sleep(source.takes)
    return source.token()


async def fails(source: Source) -> str:
    """Answer with an error, in a moment."""
    await asyncio.sleep(source.takes)
    raise TokenUnavailable(source.label, "HTTP 500", status=500)


async def raises(source: Source) -> str:
    """Fail with an error whose text holds a token."""
    raise ValueError(source.token())


async def hangs(source: Source) -> str:
    """Answer after days."""
    await asyncio.sleep(1e6)
    return source.token()


async def garbage(source: Source) -> Any:
    """Give what is no token, something else each time."""
    await asyncio.sleep(source.takes)
    return [None, b"bytes", 7, "", "line\nbreak", "x" * (LARGEST + 1), object()][len(source.asked_at) % 7]


async def expired(source: Source) -> str:
    """Give a token that ended 20 s ago."""
    await asyncio.sleep(source.takes)
    return source.token(age=source.life + 20)


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


class Listener:
    """Keeps what it hears, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, TokenNews]] = []

    def __call__(self, news: TokenNews) -> None:
        self.heard.append((now(), news))

    @property
    def fresh(self) -> list[TokenFresh]:
        return [news for _, news in self.heard if isinstance(news, TokenFresh)]

    @property
    def failed(self) -> list[TokenFailed]:
        return [news for _, news in self.heard if isinstance(news, TokenFailed)]


def left_over() -> tuple[int, int]:
    """Count the timers that wait, and the tasks other than this one."""
    loop: Any = asyncio.get_running_loop()
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]
    return len(timers), len(asyncio.all_tasks()) - 1


async def soon() -> None:
    """Let what is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


# One request ---------------------------------------------------------------------------------------------------------


async def test_a_thousand_cables_on_one_source_cause_one_request() -> None:
    """All get the same token; each hears of it once; and one renewal serves them all."""
    source = Source()
    renewer = source.renewer()
    listeners = [Listener() for _ in range(1000)]
    detach = [renewer.attach(listener) for listener in listeners]
    tokens = await asyncio.gather(*(renewer.token() for _ in listeners))
    assert len(set(tokens)) == 1
    assert len(source.asked_at) == 1
    await asyncio.sleep(49)
    assert len(source.asked_at) == 2
    assert all([news.renewed for news in listener.fresh] == [False, True] for listener in listeners)
    assert source.most_flying == 1
    for end in detach:
        end()
    assert left_over() == (0, 0)


async def test_a_thousand_cables_that_are_refused_cause_one_request() -> None:
    """However they come: together, late, or after the renewal."""
    source = Source()
    renewer = source.renewer()
    detach = renewer.attach(Listener())
    old = await renewer.token()
    draw = random.Random(4)

    async def dial() -> Held:
        await asyncio.sleep(draw.uniform(0, 5))
        assert not renewer.refused(old).final
        return await renewer.token()

    held = set(await asyncio.gather(*(dial() for _ in range(1000))))
    assert len(held) == 1
    assert old not in held
    assert len(source.asked_at) == 2
    detach()


async def test_one_cable_that_gives_up_takes_the_token_from_no_other() -> None:
    """The request is nobody's own."""
    source = Source(takes=2)
    renewer = source.renewer()
    first, second = (asyncio.create_task(renewer.token()) for _ in range(2))
    await asyncio.sleep(1)
    first.cancel()
    assert source.accepts(await second)
    assert first.cancelled()
    assert len(source.asked_at) == 1
    assert left_over() == (0, 0)


async def test_with_the_last_who_waits_the_request_ends() -> None:
    """Nobody attached, nobody waiting: no task, no timer."""
    source = Source(takes=2)
    renewer = source.renewer()
    waiting = [asyncio.create_task(renewer.token()) for _ in range(3)]
    await asyncio.sleep(1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await renewer.released()
    assert left_over() == (0, 0)
    assert source.flying == 0
    assert source.accepts(await renewer.token())


# Ahead of time -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0.0, -2 * DAY, 2 * DAY])
async def test_six_hours_of_tokens_that_live_a_minute(wrong: float) -> None:
    """The source is asked at most 510 times, whatever the wall clock shows; each dial has a token that is accepted."""
    source = Source(wrong=wrong)
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    draw = random.Random(6)

    async def pings() -> None:
        while True:
            renewer.heard_server_time(int(source.unix()))
            await asyncio.sleep(3)

    async def dials() -> None:
        while True:
            held = await renewer.token()
            assert source.accepts(held)
            renewer.accepted(held)
            await asyncio.sleep(draw.uniform(0, 60))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pings()), group.create_task(dials())]
        await asyncio.sleep(6 * HOUR)
        for task in tasks:
            task.cancel()
    detach()
    assert 440 <= len(source.asked_at) <= 510
    assert source.most_flying == 1
    assert listener.failed == []
    assert left_over() == (0, 0)


async def test_tokens_of_four_seconds_and_a_cut_every_few() -> None:
    """No dial in ten minutes is refused, without any time of the server's, and the source is asked no more than due."""
    source = Source(life=4)
    renewer = source.renewer()
    detach = renewer.attach(Listener())
    draw = random.Random(6)
    while now() < 600:
        held = await renewer.token()
        await asyncio.sleep(0.02)
        assert source.accepts(held)
        await asyncio.sleep(draw.uniform(0, 4))
    detach()
    assert len(source.asked_at) <= 600 / (3 * 0.8 * 0.95) + 10


async def test_a_dial_in_the_leeway_waits_for_the_renewal_under_way() -> None:
    """It gets the new token, and makes no request of its own."""
    source = Source()
    renewer = source.renewer()
    old = await renewer.token()
    source.takes = 3
    waking = False
    detach = renewer.attach(Listener(), lambda: waking)
    await asyncio.sleep(54)
    waking = True
    renewer.nudge()
    dialled = asyncio.create_task(renewer.token())
    await asyncio.sleep(2)
    assert not dialled.done()
    assert source.flying == 1
    assert await dialled != old
    assert len(source.asked_at) == 2
    detach()


async def test_a_dial_in_the_leeway_takes_the_old_token_if_the_renewal_fails() -> None:
    """It lives still, and is accepted."""
    source = Source()
    renewer = source.renewer()
    old = await renewer.token()
    source.behaviour = fails
    await asyncio.sleep(54)
    assert await renewer.token() == old
    assert source.accepts(old)
    assert left_over() == (0, 0)


async def test_a_device_at_rest_is_left_at_rest() -> None:
    """No timer while no line is wanted. Waking, it renews before it dials."""
    source = Source()
    renewer = source.renewer()
    wanted = True
    detach = renewer.attach(Listener(), lambda: wanted)
    await renewer.token()
    assert left_over()[0] == 1
    wanted = False
    renewer.nudge()
    assert left_over() == (0, 0)
    await asyncio.sleep(8 * HOUR)
    assert len(source.asked_at) == 1
    wanted = True
    held = await renewer.token()
    assert source.accepts(held)
    assert len(source.asked_at) == 2
    assert left_over()[0] == 1
    await asyncio.sleep(49)
    assert len(source.asked_at) == 3
    detach()


@pytest.mark.parametrize("heard", [False, True])
async def test_after_eight_hours_of_sleep_the_first_dial_has_a_fresh_token(*, heard: bool) -> None:
    """The loop's clock stood still; a thousand cables tell of the sleep, and it counts once."""
    source = Source(life=12 * HOUR)
    renewer = source.renewer()
    detach = renewer.attach(Listener())
    if heard:
        renewer.heard_server_time(int(source.unix()))
    await renewer.token()
    for _ in range(1000):
        renewer.slept(2 * HOUR)
    source.slept += 2 * HOUR
    assert source.accepts(await renewer.token())
    assert len(source.asked_at) == 1
    await asyncio.sleep(60)
    source.slept += 10.5 * HOUR
    renewer.slept(10.5 * HOUR)
    assert source.accepts(await renewer.token())
    assert len(source.asked_at) == 2
    detach()


async def test_a_request_that_slept_is_made_anew() -> None:
    """What it would bring is as old as the sleep."""
    source = Source(behaviour=hangs)
    renewer = source.renewer()
    detach = renewer.attach(Listener())
    dialled = asyncio.create_task(renewer.token())
    await asyncio.sleep(1)
    source.behaviour = None
    source.slept += HOUR
    renewer.slept(HOUR)
    before = now()
    assert source.accepts(await dialled)
    assert now() - before < 1
    await renewer.released()
    assert source.flying == 0
    detach()


async def test_the_servers_time_brings_a_renewal_forward() -> None:
    """A token from a cache, half over: its claims alone would have it renewed too late."""
    source = Source(behaviour=lambda source: given(source.token(age=40)))
    renewer = source.renewer()
    detach = renewer.attach(Listener())
    await renewer.token()
    source.behaviour = None
    renewer.heard_server_time(int(source.unix()))
    await asyncio.sleep(20)
    assert len(source.asked_at) == 2
    detach()


async def given(value: Any) -> Any:
    """Give *value*."""
    return value


# Trouble -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("trouble", [fails, raises, hangs, garbage, expired])
async def test_ten_minutes_of_trouble_pass_by_themselves(trouble: Any, *, connected: bool) -> None:
    """The source is asked within the backoff, each state is told, and the token that comes at last is accepted."""
    source = Source()
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    if connected:
        await renewer.token()
        renewer.heard_server_time(int(source.unix()))
    source.behaviour = trouble
    asked = len(source.asked_at)
    began = now() + 600
    task = asyncio.create_task(dialled(source, renewer))
    await asyncio.sleep(600)
    # 1, 2, 4 ... 32 s, then 60 s each, give or take half; a request that hangs takes 10 s more.
    assert 7 <= len(source.asked_at) - asked <= 25
    assert not task.done() or connected
    source.behaviour = None
    held = await renewer.token() if connected else await task
    task.cancel()
    assert source.accepts(held)
    assert now() - began <= 100
    assert listener.failed
    assert listener.failed[-1].expired
    assert not connected or not listener.failed[0].expired
    assert sum(news.expired for news in listener.failed) >= 5
    assert "eyJ" not in "".join(f"{news}{news.error}{news.error.__cause__!r}" for news in listener.failed)
    assert isinstance(listener.heard[-1][1], TokenFresh)
    detach()
    await renewer.released()
    assert left_over()[0] == 0


async def dialled(source: Source, renewer: Renewer) -> Held:
    """Dial until the server accepts the token, as an engine does."""
    while True:
        held = await renewer.token()
        if source.accepts(held):
            return held
        assert not renewer.refused(held, expired=True).final
        await asyncio.sleep(1)


async def test_an_hour_of_failures_is_not_the_end() -> None:
    """A line that is up goes on renewing, with nobody asking; the end of the old token is told at its moment."""
    source = Source(life=300)
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    await renewer.token()
    source.behaviour = fails
    await asyncio.sleep(HOUR)
    ends = [moment for moment, news in listener.heard if isinstance(news, TokenFailed) and news.expired]
    assert ends[0] == pytest.approx(299, abs=0.1)
    assert len(source.asked_at) <= 100
    source.behaviour = None
    await asyncio.sleep(100)
    assert isinstance(listener.heard[-1][1], TokenFresh)
    assert renewer.error is None
    detach()


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "NoneType"), (b"bytes", "bytes"), ("", "empty"), ("a\nb", "line break"), ("x" * (LARGEST + 1), "limit")],
)
async def test_what_is_no_token_is_refused_by_a_typed_error(value: Any, told: str) -> None:
    """The text names the source and the rule, never the value."""
    source = Source(behaviour=lambda _: given(value))
    renewer = source.renewer()
    with pytest.raises(TokenUnavailable, match=told) as caught:
        await renewer.token(give_up=0.4)
    assert source.label in str(caught.value)
    assert "xxx" not in str(caught.value)
    assert isinstance(caught.value.__cause__, TokenUnavailable)
    assert left_over() == (0, 0)


async def test_a_source_that_cancels_itself_has_failed() -> None:
    """Its cancellation is nobody else's."""

    async def cancels(_: Source) -> str:
        raise asyncio.CancelledError

    source = Source(behaviour=cancels)
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    task = asyncio.create_task(renewer.token())
    await asyncio.sleep(0.1)
    assert "cancelled" in str(listener.failed[0].error)
    source.behaviour = None
    assert source.accepts(await task)
    detach()


async def test_a_request_has_a_limit_even_if_it_does_not_heed_it() -> None:
    """It is left behind; when it ends at last, what it brings is dropped, as there is something newer."""
    source = Source(behaviour=stubborn)
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    task = asyncio.create_task(renewer.token())
    await asyncio.sleep(10.1)
    assert "within 10 s" in str(listener.failed[0].error)
    source.behaviour = None
    held = await task
    assert source.flying == 1
    await asyncio.sleep(25)
    assert source.flying == 0
    assert await renewer.token() == held
    assert len(listener.fresh) == 1
    detach()


async def stubborn(source: Source) -> str:
    """Take half a minute, cancelled or not."""
    token, end = source.token(life=1000), now() + 30
    while now() < end:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(end - now())
    return token


async def test_what_comes_after_the_last_detach_is_dropped() -> None:
    """Nobody hears of it, and it is not kept; released() waits for its end."""
    source = Source(behaviour=stubborn)
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    waiting = asyncio.create_task(renewer.token())
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    detach()
    await renewer.released()
    assert now() == pytest.approx(30)
    assert listener.heard == []
    assert left_over() == (0, 0)
    source.behaviour = None
    assert (await renewer.token()).token.value != source.token(life=1000)
    assert len(source.asked_at) == 2


async def test_a_source_that_will_never_give_a_token_says_so_to_who_waits() -> None:
    """Its ``Unauthorized`` is raised; it is asked again only when somebody asks."""
    never = Unauthorized("signed out")

    async def refuses(_: Source) -> str:
        raise never

    source = Source(behaviour=refuses)
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    with pytest.raises(Unauthorized, match="signed out"):
        await renewer.token()
    await asyncio.sleep(HOUR)
    assert len(source.asked_at) == 1
    assert listener.failed == [TokenFailed(never, expired=True, retry_in=None)]
    source.behaviour = None
    assert source.accepts(await renewer.token())
    detach()


# Refusals ------------------------------------------------------------------------------------------------------------


async def test_a_streak_of_refusals_is_final_and_spaced() -> None:
    """Two tokens are replaced, with growing waits between; the third refusal is final."""
    source = Source()
    renewer = source.renewer()
    verdicts = [renewer.refused(await renewer.token()) for _ in range(3)]
    assert [verdict.final for verdict in verdicts] == [False, False, True]
    assert verdicts[-1].tried == "3 tokens in a row from the test source"
    assert source.asked_at[1] - source.asked_at[0] >= 0.5
    assert source.asked_at[2] - source.asked_at[1] >= 1
    assert left_over() == (0, 0)


async def test_a_fixed_token_is_asked_for_once_and_final_when_refused() -> None:
    """There is nothing to renew."""
    renewer = Renewer(StaticToken("fixed"))
    detach = renewer.attach(Listener())
    held = await renewer.token()
    assert renewer.refused(held).final
    assert await renewer.token() == held
    assert left_over() == (0, 0)
    detach()


async def test_the_same_bad_token_is_asked_after_each_minute() -> None:
    """It is not sent again; a new one, as when the file was changed, brings the line back."""
    source = Source()
    token = source.token(life=1000)
    source.behaviour = lambda _: given(token)
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    assert not renewer.refused(await renewer.token()).final
    task = asyncio.create_task(renewer.token())
    await asyncio.sleep(601)
    assert not task.done()
    assert 9 <= len(listener.failed) <= 11
    assert all(news.expired and (news.retry_in or 0) >= SLOW for news in listener.failed)
    source.behaviour = None
    assert (await task).token.value != token
    detach()


# Who is there --------------------------------------------------------------------------------------------------------


async def test_nothing_is_left_after_the_last_detach_whenever_it_comes() -> None:
    """In each phase of two renewals: before, during, after, while failing."""
    for step in range(60):
        source = Source(life=10, takes=1)
        renewer = source.renewer()
        detach = renewer.attach(Listener())
        task = asyncio.create_task(renewer.token())
        if step % 3 == 2:
            source.behaviour = fails
        await asyncio.sleep(step * 0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        detach()
        detach()
        await renewer.released()
        assert left_over() == (0, 0)
        asked = len(source.asked_at)
        await asyncio.sleep(100)
        assert len(source.asked_at) == asked


async def test_the_others_go_on_when_one_detaches() -> None:
    """Its listener hears no more; theirs do."""
    source = Source()
    renewer = source.renewer()
    listeners = [Listener(), Listener()]
    first, second = (renewer.attach(listener) for listener in listeners)
    await renewer.token()
    first()
    await asyncio.sleep(49)
    assert [len(listener.fresh) for listener in listeners] == [1, 2]
    second()


async def test_a_listener_may_fail_and_may_detach_others() -> None:
    """Its error goes to the loop's exception handler; who was detached meanwhile hears nothing."""
    source = Source()
    renewer = source.renewer()
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    silent, last = Listener(), Listener()
    ends: list[Callable[[], None]] = []

    def breaks(news: TokenNews) -> None:
        ends[0]()
        raise LookupError(repr(news))

    detach = renewer.attach(breaks)
    ends.append(renewer.attach(silent))
    end_last = renewer.attach(last)
    await renewer.token()
    await soon()
    assert silent.heard == []
    assert len(last.heard) == 1
    assert [type(context["exception"]) for context in told] == [LookupError]
    detach()
    end_last()


async def test_a_listener_may_ask_refuse_and_detach_from_within() -> None:
    """All is settled by the time that it is told."""
    source = Source()
    renewer = source.renewer()
    tasks: list[asyncio.Task[Held]] = []
    ends: list[Callable[[], None]] = []

    def acts(news: TokenNews) -> None:
        if isinstance(news, TokenFresh) and not news.renewed:
            renewer.refused(Held.of(news.token))
            tasks.append(asyncio.create_task(renewer.token()))
        else:
            ends[0]()

    ends.append(renewer.attach(acts))
    with suppress(TokenUnavailable):
        await renewer.token(give_up=0.1)
    assert source.accepts(await tasks[0])
    assert len(source.asked_at) == 2
    assert left_over() == (0, 0)


async def test_cables_of_one_source_share_its_renewer() -> None:
    """For as long as one of them keeps it; another source has another."""
    source, other = Source(), Source()
    renewer = renewer_for(source)
    assert renewer_for(source, TokenRenewal(on_renewal="reconnect")) is renewer
    assert renewer_for(other) is not renewer
    detach = renewer.attach(Listener())
    with pytest.raises(UsageError, match="the test source"):
        renewer_for(source, TokenRenewal(at=0.5))
    detach()
    assert renewer_for(source, TokenRenewal(at=0.5)) is not renewer
    del renewer, detach
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is Renewer and thing._provider is source]


async def test_it_belongs_to_its_loop() -> None:
    """In another loop there is another renewer, and this one refuses."""
    source = Source()
    renewer = source.renewer()

    async def elsewhere() -> None:
        for call in (
            lambda: renewer.attach(print),
            lambda: renewer.refused(Held.of(Token("x"))),
            lambda: renewer.slept(5),
            renewer.nudge,
        ):
            with pytest.raises(WrongLoop, match="the test source"):
                call()
        with pytest.raises(WrongLoop):
            await renewer.token()
        with pytest.raises(WrongLoop):
            await renewer.released()
        assert renewer_for(source) is not here

    here = renewer_for(source)
    await asyncio.to_thread(asyncio.run, elsewhere())


async def test_it_shows_no_token() -> None:
    """Neither the renewer nor its events nor its errors."""
    source = Source()
    renewer = source.renewer()
    listener = Listener()
    detach = renewer.attach(listener)
    held = await renewer.token()
    shown = f"{renewer!r}{held!r}{listener.heard!r}{renewer.refused(held)!r}"
    assert "eyJ" not in shown
    detach()


# Cancellation --------------------------------------------------------------------------------------------------------


class CancelledAt:
    """Runs a coroutine and cancels the task around it at the wait number *steps*.

    Either while it waits, or *late*: in the very turn in which what it waits for has come about.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], steps: int, *, late: bool) -> None:
        self.work, self.steps, self.late = work, steps, late
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waited_for = self.work.send(value) if error is None else self.work.throw(error)
            except StopIteration as done:
                return done.value
            self.waits += 1
            if self.waits == self.steps:
                self._cancel(waited_for)
            value, error = None, None
            try:
                value = yield waited_for
            except BaseException as thrown:  # noqa: BLE001 - it is handed on to the coroutine
                error = thrown

    def _cancel(self, waited_for: asyncio.Future[Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.late:
            waited_for.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("late", [False, True])
async def test_a_wait_for_a_token_may_be_cancelled_at_each_step(*, late: bool, attached: bool) -> None:
    """While the source fails twice, and in the turn it succeeds: nothing is left, and the next call has its token."""
    outcomes: Counter[str] = Counter()
    for step in range(1, 10):
        source = Source(behaviour=unsteady)
        renewer = source.renewer()
        detach = renewer.attach(Listener()) if attached else None
        work = CancelledAt(renewer.token(give_up=1000), step, late=late)
        task: asyncio.Task[Held] = asyncio.create_task(awaited(work))
        await asyncio.wait([task])
        outcomes["cancelled" if task.cancelled() else "done"] += 1
        if not attached:
            await renewer.released()
            assert left_over() == (0, 0)
        assert source.accepts(await renewer.token())
        if detach is not None:
            detach()
        await renewer.released()
        assert left_over() == (0, 0)
        assert source.most_flying == 1
    assert outcomes["cancelled"] >= 3
    assert outcomes["done"] >= 1


async def awaited(work: Any) -> Any:
    """Make a coroutine of it."""
    return await work


async def unsteady(source: Source) -> str:
    """Fail twice, then give a token, and so on."""
    return await (fails if len(source.asked_at) % 3 else good)(source)


async def test_cancelling_the_wait_for_what_was_given_up_is_safe() -> None:
    """It cancels nothing but itself."""
    source = Source(behaviour=stubborn)
    renewer = source.renewer()
    with suppress(TokenUnavailable):
        await renewer.token(give_up=1)
    waiting = asyncio.create_task(renewer.released())
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await renewer.released()
    assert source.flying == 0
    assert left_over() == (0, 0)
