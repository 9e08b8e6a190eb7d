"""The token of one cable: had before each dial, renewed ahead of time while the line is wanted."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from attrs import evolve

from cableway.auth.carriage import Parts, carry
from cableway.auth.peek import read_claims
from cableway.auth.renewal import TokenFresh
from cableway.auth.renewer import renewer_for
from cableway.errors import LineClosed, Unauthorized
from cableway.events import TokenRenewalFailed, TokenRenewed
from cableway.states import State
from cableway.wire.stamps import read_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.auth.renewal import Held, TokenNews
    from cableway.auth.renewer import Renewer
    from cableway.engine.core import Engine
    from cableway.errors import CableError
    from cableway.transports.base import DialRequest

INTERNAL_ERROR = 1011
"""The close code for a fault of the server's; AnyCable closes so, without a word, where a token names nobody."""

AUTH_ERROR = frozenset({"", "Auth Error"})
"""What it gives as the reason of that close; something in between may drop it."""

NO_EXT = "The token has no claim ext, and AnyCable lets nobody in without: ask whoever mints it"


class Credentials:
    """Has a token for each dial of one cable, and hears what the server makes of it. Does nothing without a source."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._renewer: Renewer | None = None
        self._held: Held | None = None
        """What the line that counts was dialled with."""
        self._beside: Held | None = None
        """What the one was dialled with that is to take its place."""
        self._detach: Callable[[], None] = _nothing

    def start(self) -> None:
        """The cable was opened: hear of new tokens."""
        self.stop()
        settings = self._engine.settings
        if settings.token is not None:
            self._renewer = renewer_for(settings.token, settings.renewal)
            self._detach = self._renewer.attach(self._told, lambda: self._engine.line.wanted)

    def stop(self) -> None:
        """The cable was closed."""
        detach, self._detach = self._detach, _nothing
        detach()
        self.line_gone()

    async def released(self) -> None:
        """Wait until nothing is left of requests that were given up."""
        renewer, self._renewer = self._renewer, None
        if renewer is not None:
            await renewer.released()

    async def carry(self, request: DialRequest) -> DialRequest:
        """Return *request* with a token in it. Cancelling it has no effect but that.

        Raises:
            TokenUnavailable: The source gave none in time.
            Unauthorized: The source said that it will never give one.
        """
        settings = self._engine.settings
        if self._renewer is None:
            return request
        beside = self._engine.line.state is State.CONNECTED
        held = await self._renewer.token(settings.dialing.timeout)
        if beside:
            self._beside = held
        else:
            self._held = held
        parts = Parts(request.url, request.headers, tuple(request.subprotocols))
        parts = carry(settings.carriage, parts, held.token)
        return evolve(request, url=parts.url, headers=parts.headers, subprotocols=parts.subprotocols)

    def line_gone(self) -> None:
        """The line is no more: what is refused from now on is not what it was dialled with."""
        self._held = self._beside = None

    def beside_ended(self, error: CableError | None) -> None:
        """The line beside is the one that counts now; or it came to nothing by *error*.

        If the server did not accept its token, the next dial has another.
        """
        held, self._beside = self._beside, None
        if error is None:
            self._held = held
        elif isinstance(error, Unauthorized) and self._renewer is not None and held is not None:
            self._renewer.refused(held, expired=error.reason == "token_expired")

    def judge(self, error: CableError) -> tuple[CableError, bool]:
        """Tell what a failure says of the token: return the error to go on with, and whether another token may help."""
        if self._renewer is None or self._held is None:
            return error, False
        if not isinstance(error, Unauthorized):
            return _explained(error, self._held), False
        refusal = self._renewer.refused(self._held, expired=error.reason == "token_expired")
        if not refusal.final:
            return error, True
        final = Unauthorized(error.reason, hint=f"Tried: {refusal.tried}", status=error.status)
        final.__cause__ = error
        return final, False

    def accepted(self) -> None:
        """The line that was dialled with the token has been good for a while."""
        if self._renewer is not None and self._held is not None:
            self._renewer.accepted(self._held)

    def answered(self, headers: Mapping[str, str]) -> None:
        """The server answered the upgrade; its clock may stand in the headers."""
        if self._renewer is None:
            return
        try:
            told = parsedate_to_datetime(headers.get("date", ""))
        except (TypeError, ValueError, IndexError, OverflowError):
            return
        # Without a zone it is GMT (RFC 9110, 5.6.7), whatever this machine's is.
        self._renewer.heard_server_time((told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp())

    def beaten(self, message: object) -> None:
        """The server beat, and may have told its time."""
        stamp = read_stamp(message)
        if self._renewer is not None and stamp is not None:
            self._renewer.heard_server_time(stamp)

    def slept(self, seconds: float) -> None:
        """The host slept: tokens are that much older."""
        if self._renewer is not None:
            self._renewer.slept(seconds)

    def nudge(self) -> None:
        """Whether the line is wanted may have changed."""
        if self._renewer is not None:
            self._renewer.nudge()

    def _told(self, news: TokenNews) -> None:
        engine = self._engine
        if not isinstance(news, TokenFresh):
            engine.feed.emit(TokenRenewalFailed(news.error, news.expired, news.retry_in))
            return
        engine.feed.emit(TokenRenewed(news.life, first=not news.renewed))
        if news.renewed:
            engine.handover.token_renewed()


def _explained(error: CableError, held: Held) -> CableError:
    """Say what a bare close with 1011 means, if the token is one that AnyCable turns away so."""
    if not isinstance(error, LineClosed) or error.code != INTERNAL_ERROR or error.reason not in AUTH_ERROR:
        return error
    if not read_claims(held.token.value).ext_missing:
        return error
    return LineClosed(error.code, error.reason, error.__cause__, hint=NO_EXT)


def _nothing() -> None:
    pass
