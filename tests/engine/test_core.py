"""The line from open() to close(), in every phase."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    CableError,
    Closed,
    Connected,
    Connecting,
    ConnectTimeout,
    Disconnected,
    HandshakeRefused,
    LineClosed,
    LineStale,
    MemoryTransport,
    NotConnected,
    RetryScheduled,
    ServerDisconnect,
    State,
    SubscriptionClosed,
    SubscriptionState,
    Unauthorized,
    UnsupportedProtocol,
    WrongLoop,
)
from tests.scripted import URL, Line, background, confirmation, connected, line, refusal, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cableway import MemoryServer

pytestmark = pytest.mark.looptime


def others() -> set[asyncio.Task[Any]]:
    """The tasks beside the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


# Opening -------------------------------------------------------------------------------------------------------------


async def test_open_returns_when_the_server_has_welcomed() -> None:
    """An open line without a welcome is not connected yet."""
    made = line()
    opening = background(made.cable.open())
    server = await made.transport.accept()
    await settle()
    assert (opening.done(), made.cable.state) == (False, State.CONNECTING)

    server.welcome()

    assert await opening is made.cable
    assert made.cable.state is State.CONNECTED
    await made.cable.close()


async def test_open_goes_through_as_many_dials_as_it_takes() -> None:
    """Failures that may pass do not come out of open()."""
    made = line()
    opening = background(made.cable.open())
    for _ in range(7):
        await made.transport.refuse(refusal())
    (await made.transport.accept()).close(1011, "not yet")
    await made.welcome()

    await opening

    assert made.transport.dials == 9
    assert made.cable.error is None
    await made.cable.close()


def close_with(**frame: Any) -> Callable[[MemoryServer], None]:
    """Say ``disconnect``."""
    return lambda server: server.send({"type": "disconnect", **frame})


FINAL: list[tuple[str | None, Callable[[MemoryServer], None], type[CableError]]] = [
    (None, close_with(reason="unauthorized", reconnect=False), Unauthorized),
    (None, close_with(reason="anything", reconnect=False), ServerDisconnect),
    (None, close_with(reconnect=False), ServerDisconnect),
    ("actioncable-unsupported", lambda server: None, UnsupportedProtocol),
    ("graphql-ws", lambda server: None, UnsupportedProtocol),
    ("actioncable-v1-ext-msgpack", lambda server: None, UnsupportedProtocol),
]


@pytest.mark.parametrize(("selected", "answer", "expected"), FINAL)
async def test_a_final_refusal_comes_out_of_open_at_once(selected: Any, answer: Any, expected: Any) -> None:
    """Credentials refused, asked not to come back, or no protocol in common: no further dial, nothing left over."""
    made = line()
    opening = background(made.cable.open())
    answer(await made.transport.accept(selected))

    with pytest.raises(expected) as caught:
        await opening

    assert asyncio.get_running_loop().time() < 0.1
    assert made.cable.state is State.CLOSED
    assert made.cable.error is caught.value
    await asyncio.sleep(100)
    assert made.transport.dials == 1
    assert others() == set()


async def test_credentials_refused_by_http_are_final() -> None:
    """A 401 on the upgrade is Unauthorized, with the status as a field and the refusal as the cause."""
    made = line()
    opening = background(made.cable.open())
    await made.transport.refuse(HandshakeRefused(URL, 401, {}))

    with pytest.raises(Unauthorized) as caught:
        await opening

    assert caught.value.status == 401
    assert isinstance(caught.value.__cause__, HandshakeRefused)


@pytest.mark.parametrize("selected", [None, "actioncable-v1-json"])
async def test_no_protocol_selected_is_the_base_protocol(selected: str | None) -> None:
    """Servers that ignore the offer are spoken to all the same."""
    made = line()
    opening = background(made.cable.open())
    server = await made.transport.accept(selected)
    server.welcome()
    await opening
    assert server.request.subprotocols == ("actioncable-v1-ext-json",)
    assert made.told(Connected) == [Connected(reconnected=False, transport="memory", protocol="actioncable-v1-json")]
    await made.cable.close()


async def test_open_gives_up_after_its_timeout() -> None:
    """It raises ConnectTimeout with the last failure as the cause, ends in CLOSED and dials no more."""
    made = line(open_timeout=5)
    opening = background(made.cable.open())
    last = refusal()
    for _ in range(4):
        await made.transport.refuse(refusal())
    await made.transport.refuse(last)

    with pytest.raises(ConnectTimeout, match="within 5 s") as caught:
        await opening

    assert asyncio.get_running_loop().time() == pytest.approx(5)
    assert caught.value.__cause__ is last
    assert made.cable.state is State.CLOSED
    assert made.cable.error is caught.value
    dials = made.transport.dials
    await asyncio.sleep(100)
    assert made.transport.dials == dials
    assert others() == set()


async def test_open_without_a_timeout_waits_for_ever() -> None:
    """``None`` lifts the limit."""
    made = line(open_timeout=None, dial_timeout=1000)
    opening = background(made.cable.open())
    await asyncio.sleep(900)
    await made.welcome()
    await opening
    await made.cable.close()


async def before_any_dial(made: Line) -> None:
    """Cancel before anything happened."""


async def dialling(made: Line) -> None:
    """Cancel while the transport dials."""
    await settle()


async def greeting(made: Line) -> None:
    """Cancel while the welcome is awaited."""
    made.server = await made.transport.accept()
    await settle()


async def waiting(made: Line) -> None:
    """Cancel between two dials."""
    await made.transport.refuse(refusal())
    await settle()


async def just_accepted(made: Line) -> None:
    """Cancel in the turn in which the dial is accepted."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    made.server = await made.transport.accept()


async def just_welcomed(made: Line) -> None:
    """Cancel in the turn in which the welcome was read."""
    made.server = await made.transport.accept()
    await settle()
    made.server.welcome()
    await asyncio.sleep(0)


PHASES = [before_any_dial, dialling, greeting, waiting, just_accepted, just_welcomed]


@pytest.mark.parametrize("phase", PHASES)
async def test_cancelled_open_leaves_nothing(phase: Callable[[Line], Awaitable[None]]) -> None:
    """No task, no timer, no line, no further dial; and the cable opens again."""
    made = line()
    opening = background(made.cable.open())
    await phase(made)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await settle()

    assert others() == set()
    dials = made.transport.dials
    await asyncio.sleep(100)
    assert made.transport.dials == dials
    if hasattr(made, "server"):
        assert made.server.over.is_set()
    if dials:
        assert (made.cable.state, made.cable.error) == (State.CLOSED, None)
    await made.connect()
    assert made.cable.state is State.CONNECTED
    await made.cable.close()


async def test_a_hundred_opens_share_one_dial() -> None:
    """Concurrent calls wait for the same line."""
    made = line()
    opening = [background(made.cable.open()) for _ in range(100)]
    await made.welcome()
    assert await asyncio.gather(*opening) == [made.cable] * 100
    assert made.transport.dials == 1
    await made.cable.close()


async def test_one_cancelled_open_does_not_spoil_the_others() -> None:
    """The first caller gives up; the second still gets its line."""
    made = line()
    first, second = background(made.cable.open()), background(made.cable.open())
    await settle()
    first.cancel()
    await settle()
    await made.welcome()
    assert await second is made.cable
    await made.cable.close()


async def test_when_the_last_of_several_opens_gives_up_nothing_is_left() -> None:
    """It does not matter which of them began."""
    made = line()
    opening = [background(made.cable.open()) for _ in range(3)]
    await settle()
    for task in opening:
        task.cancel()
        await settle()
    assert made.cable.state is State.CLOSED
    assert others() == set()
    await asyncio.sleep(100)
    assert made.transport.dials == 1


async def test_several_opens_time_out_together() -> None:
    """Each raises, and nothing is left."""
    made = line(open_timeout=3)
    results = await asyncio.gather(*(made.cable.open() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectTimeout] * 3
    assert made.cable.state is State.CLOSED
    assert others() == set()


async def test_a_failed_open_leaves_a_line_of_others_alone() -> None:
    """Who opens a cable that is coming back by itself, and gives up, does not end it."""
    async with connected(open_timeout=0.5) as made:
        made.server.cut()
        await settle()
        with pytest.raises(ConnectTimeout) as caught:
            await made.cable.open()
        assert isinstance(caught.value.__cause__, LineClosed)
        assert made.cable.state is State.CONNECTING
        await made.welcome()
        assert made.cable.state is State.CONNECTED


async def test_open_on_an_open_cable_returns_at_once() -> None:
    """Nothing is dialled."""
    async with connected() as made:
        await made.cable.open()
        assert made.transport.dials == 1


async def test_open_does_not_wait_for_the_backoff() -> None:
    """Asked for by a person, the next dial is made now."""
    made = line()
    opening = background(made.cable.open())
    await made.transport.refuse(refusal())
    await settle()
    assert made.cable.state is State.DISCONNECTED

    again = background(made.cable.open())
    await settle()

    assert made.transport.dials == 2
    await made.welcome()
    await asyncio.gather(opening, again)
    await asyncio.sleep(5)
    assert made.transport.dials == 2
    await made.cable.close()


async def test_a_cable_can_be_opened_again() -> None:
    """After close(), and after a final failure, which is forgotten."""
    made = line()
    await made.connect()
    await made.cable.close()
    opening = background(made.cable.open())
    (await made.transport.accept()).send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    with pytest.raises(Unauthorized):
        await opening
    assert isinstance(made.cable.error, Unauthorized)

    await made.connect()

    assert (made.cable.state, made.cable.error) == (State.CONNECTED, None)
    await made.cable.close()
    assert others() == set()


async def test_open_while_another_call_says_goodbye() -> None:
    """The new line is not taken down with the old one."""

    class Slow(MemoryTransport):
        async def open(self, request: Any, sink: Any) -> Any:
            connection = await super().open(request, sink)

            async def close(code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
                await asyncio.sleep(0.5)
                connection.finish(code, reason, None)

            connection.close = close  # type: ignore[method-assign]
            return connection

    transport = Slow()
    cable = Cable(URL, transports=[transport])
    made = Line(cable, transport)
    await made.connect()
    closing = background(cable.close())
    await settle()
    assert cable.state is State.CLOSED

    opening = background(cable.open())
    await made.welcome()
    await opening
    await closing
    await asyncio.sleep(1)

    assert cable.state is State.CONNECTED
    await cable.close()


# Closing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
async def test_close_during_every_phase_of_opening(phase: Callable[[Line], Awaitable[None]]) -> None:
    """open() raises that the cable is closed, and nothing is left."""
    made = line()
    opening = background(made.cable.open())
    await asyncio.sleep(0)
    await phase(made)
    await made.cable.close()

    if not opening.done() or opening.exception() is not None:
        with pytest.raises(NotConnected, match="closed"):
            await opening
    assert (made.cable.state, made.cable.error) == (State.CLOSED, None)
    assert others() == set()
    dials = made.transport.dials
    await asyncio.sleep(100)
    assert made.transport.dials == dials
    if hasattr(made, "server"):
        assert made.server.over.is_set()


async def test_close_says_goodbye() -> None:
    """The server hears a close frame, not a broken line."""
    made = line()
    server = await made.connect()
    await made.cable.close()
    assert server.closed_by_client == (1000, "")


async def test_close_before_open() -> None:
    """It ends in CLOSED, those who listen hear it, and the cable can be opened."""
    made = line()
    events = made.cable.events()
    await made.cable.close()
    assert made.cable.state is State.CLOSED
    assert [event async for event in events] == [Closed(None)]
    await made.connect()
    await made.cable.close()


async def test_close_twice_and_concurrently() -> None:
    """Every call returns, and only once it is over."""
    made = line()
    server = await made.connect()
    await asyncio.gather(*(made.cable.close() for _ in range(5)))
    assert server.over.is_set()
    await made.cable.close()
    assert made.told(Closed) == [Closed(None)]


async def test_the_second_close_waits_for_the_goodbye_of_the_first() -> None:
    """Whoever called, the line is gone when close() returns."""
    made = line()
    server = await made.connect()
    slow = asyncio.Event()

    async def close(code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        await slow.wait()
        server.connection.finish(code, reason, None)

    server.connection.close = close  # type: ignore[method-assign]
    first, second = background(made.cable.close()), background(made.cable.close())
    await settle()
    assert not first.done()
    assert not second.done()
    slow.set()
    await asyncio.gather(first, second)
    assert server.over.is_set()


async def test_close_from_a_callback() -> None:
    """A plain callback that starts it, and an async one that waits for it, neither hangs."""
    made = line()
    made.cable.on(Connected, lambda event: made.cable.close())
    opening = background(made.cable.open())
    await made.welcome()
    await asyncio.gather(opening, return_exceptions=True)
    await asyncio.sleep(1)
    assert made.cable.state is State.CLOSED
    assert asyncio.get_running_loop().time() < 2
    assert others() == set()


async def test_close_from_two_async_callbacks() -> None:
    """They do not wait for each other."""
    made = line()
    await made.connect()
    done: list[int] = []

    async def close(event: Connected) -> None:
        await made.cable.close()
        done.append(1)

    made.cable.on(Disconnected, close)  # type: ignore[arg-type]
    made.cable.on(Disconnected, close)  # type: ignore[arg-type]
    made.server.cut()
    await asyncio.sleep(0.5)
    assert done == [1, 1]
    assert made.cable.state is State.CLOSED


async def test_close_from_the_headers_function() -> None:
    """The dial that asks is the one that ends."""

    async def headers() -> dict[str, str]:
        await made.cable.close()
        return {}

    made = line(headers=headers)
    with pytest.raises(NotConnected, match="closed"):
        await made.cable.open()
    await settle()
    assert others() == set()
    assert made.transport.dials == 0


async def test_cancelled_close_drops_the_line_at_once() -> None:
    """Without a goodbye, and with nothing left."""
    made = line()
    server = await made.connect()
    chat = await made.live()
    await chat.perform("speak")
    closing = background(made.cable.close())
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert made.cable.state is State.CLOSED
    await settle()
    assert (server.over.is_set(), server.closed_by_client) == (True, None)
    assert others() == set()


async def test_close_is_bounded_when_the_network_is_jammed() -> None:
    """Its timeout counts, then the line is dropped."""
    async with connected() as made:
        chat = await made.live()
        made.server.connection.writable.clear()
        performing = background(chat.perform("speak"))
        await settle()
        started = asyncio.get_running_loop().time()
        await made.cable.close(timeout=2)
        assert asyncio.get_running_loop().time() - started == pytest.approx(2, abs=0.1)
        with pytest.raises(LineClosed):
            await performing


async def test_close_with_a_line_that_turns_out_stale() -> None:
    """What goes wrong with the line on the way out is no error of close()."""
    async with connected(write_timeout=1) as made:
        chat = await made.live()
        made.server.connection.writable.clear()
        performing = background(chat.perform("speak"))
        await settle()
        await made.cable.close()
        with pytest.raises(LineStale):
            await performing
        assert made.cable.state is State.CLOSED
    assert others() == set()


async def test_close_does_not_wait_for_a_function_that_does_not_end() -> None:
    """A function of the user's that swallows its cancellation delays close() by a second, not for ever."""
    stubborn = asyncio.Event()

    async def headers() -> dict[str, str]:
        while not stubborn.is_set():
            try:
                await stubborn.wait()
            except asyncio.CancelledError:
                continue
        return {}

    made = line(headers=headers)
    opening = background(made.cable.open())
    await settle()
    await made.cable.close()
    with pytest.raises(NotConnected):
        await opening
    assert asyncio.get_running_loop().time() < 2
    stubborn.set()
    await settle()
    assert others() == set()
    assert made.transport.dials == 0


async def test_async_with_closes() -> None:
    """After the block the state is CLOSED, also when it was left by an error."""
    for error in (None, ValueError("mine")):
        made = line()
        opened = background(made.welcome())
        with suppress(ValueError):
            async with made.cable as cable:
                assert cable is made.cable
                if error is not None:
                    raise error
        server = await opened
        assert made.cable.state is State.CLOSED
        assert server.closed_by_client == (1000, "")
        assert others() == set()


# The quiet before the end --------------------------------------------------------------------------------------------


async def test_close_is_no_sooner_than_a_quarter_second_after_the_last_command() -> None:
    """A perform, followed at once by leaving the block, must arrive: Rails drops what it has not begun to run."""
    made = line()
    server = await made.connect()
    chat = await made.live()
    await asyncio.sleep(1)
    started = asyncio.get_running_loop().time()
    await chat.perform("speak", text="hi")
    await made.cable.close()
    assert asyncio.get_running_loop().time() - started == pytest.approx(0.25, abs=0.01)
    assert [command["command"] for command in server.received] == ["message"]


async def test_close_does_not_wait_when_the_last_command_is_old() -> None:
    """Only the last command counts."""
    made = line()
    await made.connect()
    chat = await made.live()
    await chat.perform("speak")
    await asyncio.sleep(1)
    started = asyncio.get_running_loop().time()
    await made.cable.close()
    assert asyncio.get_running_loop().time() - started < 0.01


async def test_close_without_flush_does_not_wait() -> None:
    """``flush=False`` skips the quiet."""
    made = line()
    await made.connect()
    chat = await made.live()
    await chat.perform("speak")
    started = asyncio.get_running_loop().time()
    await made.cable.close(flush=False)
    assert asyncio.get_running_loop().time() - started < 0.01


async def test_the_quiet_counts_from_the_last_command_of_all() -> None:
    """Commands that are written while close() waits prolong the wait."""
    made = line()
    server = await made.connect()
    chat = await made.live()
    await chat.perform("first")
    started = asyncio.get_running_loop().time()
    closing = background(made.cable.close())
    await asyncio.sleep(0.2)
    await chat.perform("second")
    await closing
    assert asyncio.get_running_loop().time() - started == pytest.approx(0.45, abs=0.01)
    assert len(server.received) == 2


# Coming back ---------------------------------------------------------------------------------------------------------


async def test_a_lost_line_comes_back_by_itself() -> None:
    """States and events tell it in order."""
    made = line()
    await made.connect()
    made.server.close(1011, "restarting")
    await settle()
    assert made.cable.state is State.DISCONNECTED
    assert isinstance(made.cable.error, LineClosed)
    assert made.cable.stats().failures == 1
    await made.welcome()
    assert made.cable.state is State.CONNECTED
    await made.cable.close()

    lost = made.told(Disconnected)[0].error  # type: ignore[attr-defined]
    assert made.events == [
        Connecting(1, URL, "memory"),
        Connected(reconnected=False, transport="memory", protocol="actioncable-v1-json"),
        Disconnected(lost),
        RetryScheduled(pytest.approx(1.0), 2, lost),
        Connecting(2, URL, "memory"),
        Connected(reconnected=True, transport="memory", protocol="actioncable-v1-json"),
        Closed(None),
    ]
    assert isinstance(lost, LineClosed)
    assert (lost.code, lost.reason) == (1011, "restarting")


RETRIED: list[Callable[[MemoryServer], None]] = [
    close_with(reason="server_restart", reconnect=True),
    close_with(reason="remote", reconnect=True),
    close_with(),
    close_with(reason=None),
    close_with(reason=42, reconnect="false"),
    close_with(reason="idle_timeout", reconnect=False),
    lambda server: server.close(1006),
    lambda server: server.cut(),
]


@pytest.mark.parametrize("ending", RETRIED)
async def test_endings_that_are_worth_another_dial(ending: Callable[[MemoryServer], None]) -> None:
    """Everything but an explicit wish of the server's not to come back."""
    async with connected() as made:
        ending(made.server)
        await made.welcome()
        assert made.cable.state is State.CONNECTED
        assert made.transport.dials == 2


@pytest.mark.parametrize("reason", ["unauthorized", "token_expired", "whatever", None])
async def test_a_server_that_asks_not_to_come_back_is_obeyed(reason: str | None) -> None:
    """Also in the midst of a session."""
    made = line()
    await made.connect()
    made.server.send({"type": "disconnect", "reason": reason, "reconnect": False})
    await asyncio.sleep(100)
    assert made.cable.state is State.CLOSED
    assert isinstance(made.cable.error, ServerDisconnect)
    assert made.told(Closed) == [Closed(made.cable.error)]
    assert made.transport.dials == 1
    assert others() == set()


async def test_subscribing_from_a_callback() -> None:
    """Callbacks may do anything."""
    made = line()
    handles: list[Any] = []
    made.cable.on(Connected, lambda event: handles.append(made.cable.subscribe("Chat")))
    server = await made.connect()
    await settle()
    assert [command["command"] for command in server.received] == ["subscribe"]
    assert len(handles) == 1
    await made.cable.close()


# Final failures ------------------------------------------------------------------------------------------------------


async def test_a_final_failure_reaches_everybody() -> None:
    """It comes out of pending and later awaits, performs and iterations, and stands in cable.error."""
    made = line()
    await made.connect()
    live, pending = await made.live(), made.cable.subscribe("Pending")
    waiting = [
        background(work)
        for work in (confirmation(pending), pending.perform("speak"), anext(live), anext(pending), live.receive())
    ]
    await settle()
    made.server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    error = made.cable.error

    assert isinstance(error, Unauthorized)
    assert outcomes == [error] * 5
    for later in (confirmation(live), live.perform("speak"), anext(live), live.receive(), live.send({})):
        with pytest.raises(Unauthorized):
            await later


async def test_a_subscription_made_after_a_final_failure_hears_of_it() -> None:
    """Nobody waits for a line that will not come."""
    made = line()
    await made.connect()
    made.server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    await settle()
    late = made.cable.subscribe("Late")
    assert late.state is SubscriptionState.CLOSED
    for call in (confirmation(late), late.perform("speak"), anext(late)):
        with pytest.raises(Unauthorized):
            await call


async def test_the_wishes_come_back_with_a_new_open() -> None:
    """What was not unsubscribed is wished for again, whatever ended the cable."""
    made = line()
    await made.connect()
    chat = await made.live()
    made.server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    await settle()
    assert chat.state is SubscriptionState.CLOSED
    late = made.cable.subscribe("Late")

    server = await made.connect()

    assert [command["identifier"] for command in server.received] == [chat.identifier, late.identifier]
    server.confirm(chat.identifier)
    server.confirm(late.identifier)
    server.message(chat.identifier, "back")
    assert await chat is chat
    assert await late is late
    assert (await anext(chat)).data == "back"
    await made.cable.close()


async def test_one_failure_raised_often_tells_each_story_for_itself() -> None:
    """The traceback of a final failure does not grow with each call that raises it."""
    made = line()
    await made.connect()
    chat = await made.live()
    made.server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    await settle()
    depths = []
    for _ in range(50):
        with pytest.raises(Unauthorized) as caught:
            await chat.perform("speak")
        depths.append(len(caught.traceback))
    assert max(depths) == min(depths)


async def test_a_close_by_the_user_is_no_failure() -> None:
    """Waiters hear that it is closed, iterations end quietly."""
    made = line()
    await made.connect()
    live, pending = await made.live(), made.cable.subscribe("Pending")
    waiting = [background(work) for work in (confirmation(pending), pending.perform("speak"), live.receive())]
    iterating = background(anext(live))
    await settle()
    await made.cable.close(flush=False)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NotConnected, NotConnected, SubscriptionClosed]
    with pytest.raises(StopAsyncIteration):
        await iterating
    assert made.cable.error is None
    for later in (confirmation(live), live.perform("speak")):
        with pytest.raises(NotConnected, match="open it again"):
            await later


# A transport of the user's own ---------------------------------------------------------------------------------------


class Faulty(MemoryTransport):
    """A transport that fails in a way that no transport should."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error: BaseException | None = error

    async def open(self, request: Any, sink: Any) -> Any:
        """Fail once."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return await super().open(request, sink)


@pytest.mark.parametrize("error", [RuntimeError("oops"), OSError(24, "too many open files"), asyncio.CancelledError()])
async def test_a_transport_that_raises_anything(error: BaseException) -> None:
    """The dial has failed and the next one is due: the cable lives on."""
    transport = Faulty(error)
    made = Line(Cable(URL, transports=[transport]), transport)
    made.cable.on(RetryScheduled, made.events.append)
    await made.connect()
    [retry] = made.events
    assert isinstance(retry, RetryScheduled)
    assert type(error).__name__ in str(retry.error)
    await made.cable.close()


# Loops and processes -------------------------------------------------------------------------------------------------


class Served:
    """A cable on an event loop of its own, outside of any test's."""

    def __init__(self) -> None:
        self.made = line()

    async def once(self) -> None:
        """Open, subscribe, close."""
        await self.made.connect()
        chat = self.made.cable.subscribe("Chat")
        await settle()
        self.made.server.confirm(chat.identifier)
        await chat
        await chat.unsubscribe(flush=False)
        await self.made.cable.close()


@pytest.mark.looptime(False)
def test_a_cable_at_rest_may_move_to_another_loop() -> None:
    """Opened, closed, and opened in a second ``asyncio.run``; subscribed to between the two."""
    served = Served()
    asyncio.run(served.once())
    served.made.cable.subscribe("Between")
    served.made.transport = MemoryTransport()
    served.made.cable._engine.settings.fallback.transports[0].__dict__.update(served.made.transport.__dict__)
    asyncio.run(served.once())
    assert served.made.cable.state is State.CLOSED


@pytest.mark.looptime(False)
def test_a_cable_in_use_refuses_another_loop() -> None:
    """Each call says so, instead of hanging or breaking something."""
    first = asyncio.new_event_loop()
    made = line()
    first.run_until_complete(made.connect())
    chat = first.run_until_complete(made.live())
    made.cable.on(Disconnected, made.events.append)

    async def elsewhere() -> None:
        calls = (
            made.cable.open,
            made.cable.close,
            chat.unsubscribe,
            chat.receive,
            chat.__anext__,
            lambda: chat.perform("speak"),
        )
        for call in calls:
            with pytest.raises(WrongLoop, match="another event loop"):
                await call()
        with pytest.raises(WrongLoop):
            made.cable.subscribe("Other")
        waiting = made.cable._engine.home
        assert waiting.loop is first

    asyncio.run(elsewhere())
    with pytest.raises(WrongLoop, match="another event loop"):
        made.cable.subscribe("Other")
    assert chat.state is SubscriptionState.SUBSCRIBED
    first.run_until_complete(made.cable.close(flush=False))
    first.close()


@pytest.mark.looptime(False)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_is_told_to_make_its_own() -> None:
    """A cable that was open before the fork belongs to the parent."""
    loop = asyncio.new_event_loop()
    made = line()
    loop.run_until_complete(made.connect())

    async def use() -> str:
        try:
            await made.cable.open()
        except WrongLoop as error:
            return str(error)
        return "no error"

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = asyncio.run(use())
            try:
                made.cable.subscribe("Chat")
            except WrongLoop:
                text += " twice"
            os.write(writing, text.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    assert "forked" in said
    assert said.endswith("twice")
    assert made.cable.state is State.CONNECTED
    loop.run_until_complete(made.cable.close(flush=False))
    loop.close()


@pytest.mark.looptime(False)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_processes_wait_differently() -> None:
    """Cables made before a fork draw different jitter in each child: workers do not come back in step."""

    def delays() -> bytes:
        plan = made.cable._engine.line.plan
        return repr([plan.another_wait() for _ in range(5)]).encode()

    made = line(backoff=None)
    outputs = []
    for _ in range(3):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, delays())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            outputs.append(pipe.read())
        os.waitpid(child, 0)
    assert len(set(outputs)) == 3
