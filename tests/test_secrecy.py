"""Secrets never show: not in logs, reprs, events or error texts, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    CableError,
    CaptivePortal,
    ConnectTimeout,
    Event,
    HandshakeRefused,
    HostUnreachable,
    MemoryTransport,
    NotAWebSocket,
    ProxyFailure,
    State,
    StaticToken,
    SubscriptionOptions,
    TLSFailure,
    Token,
    TokenRenewal,
    TokenUnavailable,
    Unauthorized,
    UsageError,
    in_header,
    in_query,
)
from cableway.auth.carriage import Parts, carry, in_subprotocol
from cableway.auth.renewal import Held
from tests.scripted import STEADY, Line, background, confirmation, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.looptime

MARK = "s3cr3t"
"""Every secret holds it; nothing that is shown may."""

URL = f"wss://user-{MARK}:pass-{MARK}@cable.example/cable?jid={MARK}1&token={MARK}2&room=42#{MARK}3"
HEADERS = {"Cookie": f"session={MARK}4", "Authorization": f"Bearer {MARK}5"}
PARAMS = {"sid": f"{MARK}6", "jwt": f"{MARK}7"}
PROXY = f"http://proxy-user:{MARK}8@proxy.example:3128"


FIELDS = {"headers", "body", "identifier"}
"""What an error keeps for programs, whole; people do not come to see it."""


class Everything:
    """Keeps all that a person could come to see."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, *things: object) -> None:
        """Take what things say of themselves, errors with all that led to them."""
        for thing in things:
            self.shown += [str(thing), repr(thing)]
            error = getattr(thing, "error", thing)
            if isinstance(error, BaseException):
                self._error(error)

    def _error(self, error: BaseException) -> None:
        self.shown += traceback.format_exception(error)
        seen: BaseException | None = error
        while seen is not None:
            self.shown += [str(seen), repr(seen), repr(seen.args)]
            self.shown += [repr(value) for name, value in vars(seen).items() if name not in FIELDS]
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)

    def check(self) -> None:
        """Nothing of it holds a secret; and something was there to look at."""
        assert self.shown
        assert [text for text in self.shown if MARK in text] == []


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[Everything]:
    """What came to light in the test, the log at its most talkative included."""
    kept = Everything()
    with caplog.at_level(logging.DEBUG):
        yield kept
    kept.show(*caplog.messages)
    kept.shown.append(caplog.text)
    kept.check()


async def opened(everything: Everything, **options: Any) -> tuple[Line, asyncio.Task[Any]]:
    """Begin to open a cable that is full of secrets."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    transport = MemoryTransport()
    given = {"headers": HEADERS, "params": PARAMS, "proxy": PROXY, "open_timeout": 20, "backoff": STEADY, **options}
    cable = Cable(given.pop("url", URL), transports=[transport], **given)
    cable.on(Event, everything.show)
    made = Line(cable, transport)
    everything.show(cable, cable._engine.settings, cable._engine.settings.dialing)
    opening = background(cable.open())
    await settle()
    everything.show(*asyncio.all_tasks())
    return made, opening


async def finish(made: Line, opening: asyncio.Task[Any], everything: Everything) -> None:
    """See how it ends."""
    try:
        await opening
    except CableError as error:
        everything.show(error)
    everything.show(made.cable, made.cable.error, made.cable.stats())
    await made.cable.close(flush=False)


FAILURES: list[Any] = [
    HostUnreachable(URL, "the name was not found"),
    TLSFailure(URL, "the certificate is not trusted"),
    ProxyFailure(URL, "the proxy asks for credentials", status=407),
    HandshakeRefused(URL, 401, {"set-cookie": MARK}, MARK.encode()),
    HandshakeRefused(URL, 404, {"set-cookie": MARK}, MARK.encode()),
    HandshakeRefused(URL, 502, {"set-cookie": MARK}, MARK.encode()),
    NotAWebSocket(URL, "it answered with HTML", status=200),
    CaptivePortal(URL, "a redirect came", status=302, portal="wifi.example"),
    ConnectTimeout(URL, 10, "no answer", HostUnreachable(URL, "no route")),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_failing_dials(failure: CableError, everything: Everything) -> None:
    """Every way in which a dial fails, repeated until the limit of open()."""
    made, opening = await opened(everything)
    with suppress(TimeoutError):
        async with asyncio.timeout(25):
            while not opening.done():
                await made.transport.refuse(failure)
                await settle()
    await finish(made, opening, everything)


async def test_a_transport_of_another_s(everything: Everything) -> None:
    """Its type is told, not its text."""
    made, opening = await opened(everything)
    await made.transport.refuse(RuntimeError("anything"))
    await settle()
    everything.show(made.cable.error)
    opening.cancel()
    with suppress(asyncio.CancelledError):
        await opening


async def test_no_dial_is_taken(everything: Everything) -> None:
    """The limit of the dial and that of open()."""
    made, opening = await opened(everything)
    await finish(made, opening, everything)


ENDINGS: list[Callable[[Any], Any]] = [
    lambda server: server.cut(),
    lambda server: server.close(1008, "policy"),
    lambda server: server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False}),
    lambda server: server.send({"type": "disconnect", "reason": "remote", "reconnect": True}),
    lambda server: server.send(*[f'{{"broken": "{MARK}"'] * 25),
    lambda server: server.send(*[f'"{MARK}"'] * 25),
    lambda server: server.send({"type": "error", "message": "payload"}),
    lambda server: None,
]


@pytest.mark.parametrize("number", range(len(ENDINGS)))
async def test_lines_that_break(number: int, everything: Everything) -> None:
    """Every way in which a line ends; frames of the server's are not shown either."""
    made, opening = await opened(everything)
    server = await made.welcome()
    await opening
    chat = made.cable.subscribe("Chat", room=42)
    waiting = [background(work) for work in (confirmation(chat), chat.perform("speak", text=MARK), anext(chat))]
    await settle()
    ENDINGS[number](server)
    await asyncio.sleep(60)
    everything.show(chat, *waiting)
    for task in waiting:
        task.cancel()
    everything.show(*await asyncio.gather(*waiting, return_exceptions=True))
    await finish(made, opening, everything)


@pytest.mark.parametrize("selected", ["chat", "actioncable-unsupported"])
async def test_no_protocol_in_common(selected: str, everything: Everything) -> None:
    """A final failure with an address in it."""
    made, opening = await opened(everything)
    await made.transport.accept(selected)
    await finish(made, opening, everything)


async def test_no_welcome(everything: Everything) -> None:
    """A line that says nothing."""
    made, opening = await opened(everything)
    for _ in range(2):
        await made.transport.accept()
        await asyncio.sleep(11)
    await finish(made, opening, everything)


@pytest.mark.parametrize("name", ["url", "headers", "params"])
@pytest.mark.parametrize("given", [None, 7, {"Authorization": 7}, f"ftp://user:{MARK}@nonsense.example", "hang"])
async def test_functions_that_fail(name: str, given: Any, everything: Everything) -> None:
    """What they give may be a secret, of the right kind or not."""

    async def source() -> Any:
        if given == "hang":
            await asyncio.Event().wait()
        return given

    made, opening = await opened(everything, **{name: source})
    await finish(made, opening, everything)


def given_payloads(chat: Any) -> list[Callable[[], Awaitable[Any]]]:
    """Payloads that are refused."""
    return [
        lambda: chat.perform("speak", text=MARK * 20_000),
        lambda: chat.perform("speak", {"text": MARK, "bad": float("nan")}),
        lambda: chat.perform("speak", {"action": MARK}),
        lambda: chat.perform("speak", [MARK]),
    ]


async def test_payloads_are_nobody_s_business(everything: Everything) -> None:
    """Neither sent nor received ones show, refused or lost ones included."""
    made, opening = await opened(everything)
    await made.welcome()
    await opening
    chat = made.cable.subscribe("Chat", options=SubscriptionOptions(max_messages=2))
    chat.on(Event, everything.show)
    await settle()
    made.server.confirm(chat.identifier)
    await chat
    await chat.perform("speak", text=MARK)
    for call in given_payloads(chat):
        with pytest.raises(CableError) as caught:
            await call()
        everything.shown += [str(caught.value), repr(caught.value)]
    made.server.message(chat.identifier, *[MARK] * 5)
    made.server.message("nobody", MARK)
    await settle()
    everything.show(chat, chat.stats(), made.cable, made.cable.stats())
    await made.cable.close()


async def test_names_of_signed_streams(everything: Everything) -> None:
    """Who has the name may listen: it is a secret, too."""
    made, opening = await opened(everything)
    await made.welcome()
    await opening
    signed = [
        made.cable.signed_stream(f"{MARK}--signature", options=SubscriptionOptions(confirm_timeout=1, max_messages=1)),
        made.cable.signed_stream(lambda: f"{MARK}--other", options=SubscriptionOptions(confirm_timeout=1)),
    ]
    for handle in signed:
        handle.on(Event, everything.show)
    waiting = [background(confirmation(handle)) for handle in signed]
    await asyncio.sleep(2.5)
    await made.welcome()
    await asyncio.sleep(2.5)
    everything.show(*signed, *waiting)
    for task in waiting:
        task.cancel()
    everything.show(*await asyncio.gather(*waiting, return_exceptions=True))
    for handle in signed:
        made.server.confirm(handle.identifier)
        made.server.message(handle.identifier, 1, 2, 3)
    await settle()
    made.server.reject(signed[0].identifier)
    await settle()
    signed[1].take()
    with pytest.raises(TimeoutError) as late:
        await signed[1].receive(timeout=1)
    everything.show(late.value)
    for handle in signed:
        await handle.unsubscribe(flush=False)
        with pytest.raises(CableError) as caught:
            await handle.perform("speak")
        everything.show(handle, caught.value)
    await made.cable.close()


# Tokens --------------------------------------------------------------------------------------------------------------


def marked_jwt(number: int = 0) -> str:
    """Make a token whose every part would be known again: the mark stands in its signature, and coded in its claims."""
    return f"{MARK}-head.{MARK}-body-{number}.{MARK}-signature"


def token_source(kind: str) -> Callable[[], Any]:
    """A source that goes wrong in one way, each time it is asked but the first."""
    asked: list[int] = []

    async def source() -> Any:
        asked.append(1)
        if len(asked) == 1:
            return Token(marked_jwt(), life=60)
        if kind == "raises":
            raise RuntimeError(MARK)
        if kind == "unavailable":
            # The user's own words are shown, and hold no secret.
            label = "my source"
            raise TokenUnavailable(label, "try later") from RuntimeError(label)
        if kind == "hangs":
            await asyncio.Event().wait()
        if kind == "never":
            reason = "signed out"
            raise Unauthorized(reason)
        wrong = {"line break": f"{MARK}\n", "no text": {"token": MARK}, "bytes": MARK.encode()}
        return Token(marked_jwt(1), life=0) if kind == "stillborn" else wrong.get(kind, marked_jwt())

    return source


SOURCES = ["raises", "unavailable", "hangs", "never", "line break", "no text", "bytes", "stillborn", "the same again"]


@pytest.mark.parametrize("kind", SOURCES)
async def test_sources_of_tokens_that_fail(kind: str, everything: Everything) -> None:
    """What they raise or give may be a secret, of the right kind or not."""
    made, opening = await opened(everything, token=token_source(kind), open_timeout=None)
    await made.welcome()
    await opening
    await asyncio.sleep(200)
    made.server.cut()
    await asyncio.sleep(30)
    engine = made.cable._engine
    everything.show(engine.credentials, engine.credentials._renewer, engine.settings, *asyncio.all_tasks())
    told = [text for text in everything.shown if text.startswith("TokenRenewalFailed")]
    assert told
    await finish(made, opening, everything)


CARRIAGES = [in_header(), in_header("Authorization", "Bearer"), in_query("jid"), in_subprotocol()]


@pytest.mark.parametrize("carriage", CARRIAGES, ids=lambda carriage: f"{carriage.way.value}-{carriage.scheme}")
@pytest.mark.parametrize("refusal", [401, 403, "unauthorized", "token_expired", "bare", "protocol", "no transport"])
async def test_tokens_that_are_refused(refusal: Any, carriage: Any, everything: Everything) -> None:
    """By whatever answer, until that is final; however they travel."""
    numbers = iter(range(1000))
    made, opening = await opened(
        everything,
        token=lambda: marked_jwt(next(numbers)),
        token_as=carriage,
        headers={"Cookie": f"session={MARK}4"},
        open_timeout=20,
    )
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while not opening.done():
                await turn_away(made.transport, refusal)
                everything.show(*asyncio.all_tasks())
    everything.show(made.cable._engine.credentials, made.cable._engine.dials.dialer)
    await finish(made, opening, everything)
    assert next(numbers) > 0


async def turn_away(transport: MemoryTransport, refusal: Any) -> None:
    """Refuse the next dial."""
    if isinstance(refusal, int):
        # What a transport knows of the address holds the token, where that travels in the query.
        request = await transport.refuse(HandshakeRefused(f"{URL}&jid={MARK}", refusal, {"x": MARK}, MARK.encode()))
        assert MARK not in repr(request)
        assert any(MARK in text for text in (request.url, *request.headers.values(), *request.subprotocols))
    elif refusal == "no transport":
        await transport.refuse(RuntimeError(type(transport).__name__))
    else:
        server = await transport.accept(f"anycable-token.{MARK}" if refusal == "protocol" else "actioncable-v1-json")
        await settle()
        if refusal == "bare":
            server.close(1011)
        elif refusal != "protocol":
            server.send({"type": "disconnect", "reason": refusal, "reconnect": False})
    await settle()


@pytest.mark.parametrize("fault", ["none", "refused", "unauthorized", "silent", "cut"])
async def test_lines_that_are_handed_over(fault: str, everything: Everything) -> None:
    """Whether that comes to its end or not."""
    numbers = iter(range(1000))
    made, opening = await opened(
        everything,
        token=lambda: Token(marked_jwt(next(numbers)), life=60),
        renewal=TokenRenewal(on_renewal="hand_over"),
    )
    await made.welcome()
    await opening
    chat = made.cable.subscribe("Chat")
    chat.on(Event, everything.show)
    await settle()
    made.server.confirm(chat.identifier)
    await chat
    if fault == "refused":
        await made.transport.refuse(HandshakeRefused(URL, 401, {"x": MARK}, MARK.encode()))
    else:
        second = await made.transport.accept()
        await asyncio.sleep(0.1)
        everything.show(*asyncio.all_tasks())
        if fault == "none":
            second.welcome()
            await settle()
            second.confirm(chat.identifier)
            await settle()
            made.server.send({"type": "ping"})
        elif fault == "unauthorized":
            second.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        elif fault == "cut":
            second.cut()
    await asyncio.sleep(15)
    everything.show(made.cable, chat, made.cable._engine.handover)
    handed_over = [text for text in everything.shown if text.startswith("HandedOver")]
    assert bool(handed_over) is (fault == "none")
    await finish(made, opening, everything)


async def test_what_a_fixed_token_shows(everything: Everything) -> None:
    """Neither the source nor the token nor what is held of it tells the value; nor does a value that cannot be sent."""
    token = Token(marked_jwt(), expires_at=2_000_000_000.0)
    source = StaticToken(token)
    everything.show(token, source, Held.of(token), carry(in_query("jid"), Parts(URL), token))
    for wrong in (f"{MARK}\n", "", f"{MARK}é", MARK * 100_000):
        with pytest.raises(UsageError) as caught:
            Token(wrong)
        everything.show(caught.value)
    made, opening = await opened(everything, token=marked_jwt())
    await made.transport.refuse(HandshakeRefused(URL, 401, {}))
    await finish(made, opening, everything)
    assert made.cable.state is State.CLOSED


def test_the_check_sees_a_secret() -> None:
    """In an error's cause, in its fields, in what a thing says of itself."""
    hidden = ValueError("outer")
    hidden.__cause__ = RuntimeError(MARK)
    for thing in (MARK, hidden, [MARK]):
        kept = Everything()
        kept.show(thing)
        with pytest.raises(AssertionError):
            kept.check()
