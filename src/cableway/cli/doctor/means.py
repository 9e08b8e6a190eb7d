"""How to dial: as a cable with the same options would."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from attrs import evolve

from cableway.auth.carriage import Parts, carry, in_header
from cableway.auth.peek import read_claims
from cableway.auth.renewer import renewer_for
from cableway.engine.dialing import Dialer, Dialing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cableway.auth.providers.base import TokenProvider
    from cableway.auth.renewal import Held
    from cableway.auth.renewer import Renewer
    from cableway.transports.base import DialRequest


class Means:
    """Makes the requests of one examination. Of the token there is one for all.

    Args:
        given: The keywords of a cable: ``url``, ``token``, ``headers`` and so on.
        timeout: Seconds for each step.

    Raises:
        InvalidURL: The address cannot be dialled.
        InvalidHeader: A header is none.
    """

    def __init__(self, given: Mapping[str, Any], timeout: float) -> None:
        self.timeout: float = timeout
        self.source: TokenProvider | None = given.get("token")
        """Where the token comes from."""
        self._carriage = given.get("token_as") or in_header()
        self._held: Held | None = None
        self._renewer: Renewer | None = None
        asked = {name: given.get(name) for name in ("headers", "params", "origin", "ssl")}
        dialing = Dialing(url=given["url"], shuffle=False, proxy=given.get("proxy", True), timeout=timeout, **asked)
        self._dialer = Dialer(dialing, random.SystemRandom())

    @property
    def url(self) -> str:
        """The address. May hold secrets."""
        return self._dialer.address

    async def fetch_token(self, source: TokenProvider) -> tuple[str, float | None]:
        """Have the token of *source*; return what that is called, and how long the token is good, if it says so.

        Raises:
            TokenUnavailable: There is none.
            Unauthorized: There will never be one.
        """
        self._renewer = renewer_for(source)
        self._held = await self._renewer.token(self.timeout)
        end = read_claims(self._held.token.value).exp
        return self._renewer.label, None if end is None else end - time.time()

    async def request(self, offer: Sequence[str] = ()) -> DialRequest:
        """Return the request that a cable would dial with, offering the subprotocols *offer*.

        Raises:
            UsageError: The token cannot travel as was asked for.
        """
        request = await self._dialer.request(offer)
        if self._held is None:
            return request
        parts = Parts(request.url, request.headers, tuple(request.subprotocols))
        parts = carry(self._carriage, parts, self._held.token)
        return evolve(request, url=parts.url, headers=parts.headers, subprotocols=parts.subprotocols)

    async def released(self) -> None:
        """Wait until nothing is left of a request for a token that was given up."""
        if self._renewer is not None:
            await self._renewer.released()
