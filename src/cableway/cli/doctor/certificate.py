"""What is in a server's certificate, also in one that is not trusted."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from cableway.cli.doctor.way import reached
from cableway.cli.durations import write_duration
from cableway.errors import CableError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.transports.websocket.reach import Route

MOST_NAMES: Final = 4

NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for."""


@frozen
class Certificate:
    """What a certificate says."""

    names: tuple[str, ...] = ()
    ends_at: float | None = None
    """Unix time."""
    issuer: str = ""
    now: float = field(factory=time.time)

    @property
    def told(self) -> str:
        """For people."""
        names = ", ".join(self.names[:MOST_NAMES]) + (", …" if len(self.names) > MOST_NAMES else "")
        told = [f"for {names or 'no name'}", f"by {self.issuer}" if self.issuer else "", self._end]
        return f"certificate {', '.join(filter(None, told))}"

    @property
    def facts(self) -> dict[str, Any]:
        """For programs."""
        ends = None if self.ends_at is None else datetime.fromtimestamp(self.ends_at, UTC)
        told = None if ends is None else ends.isoformat().replace("+00:00", "Z")
        return {"names": list(self.names), "issuer": self.issuer or None, "ends_at": told}

    @property
    def _end(self) -> str:
        if self.ends_at is None:
            return ""
        left = self.ends_at - self.now
        return f"ended {write_duration(-left)} ago" if left < 0 else f"good for {write_duration(left)}"


def remaining(certificate: Certificate) -> float | None:
    """Return for how many seconds *certificate* is still good."""
    return None if certificate.ends_at is None else certificate.ends_at - certificate.now


def certificate_of(said: Mapping[str, Any] | None) -> Certificate:
    """Read what the ssl module tells of a certificate."""
    said = said or {}
    names = tuple(
        printable(str(name), 80) for kind, name in said.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}
    )
    ends = said.get("notAfter")
    parts = {name: value for group in said.get("issuer", ()) for name, value in group}
    words = dict.fromkeys(parts[name] for name in ("organizationName", "commonName") if name in parts)
    return Certificate(names, None if ends is None else ssl.cert_time_to_seconds(ends), printable(", ".join(words), 80))


async def presented(route: Route, timeout: float) -> Certificate | None:
    """Return the certificate that the server shows, trusted or not; ``None`` where none can be had.

    Nothing but the handshake is sent. It takes two: one to have the certificate, and one that trusts this very one,
    because only of a certificate that was verified the ssl module tells what is in it.
    """
    with suppress(CableError, OSError, ValueError):
        async with asyncio.timeout(timeout):
            raw = await _shown(route, _any(), binary=True)
            return certificate_of(await _shown(route, _this(raw), binary=False)) if raw else None
    return None


def _any() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _this(raw: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME)
    context.load_verify_locations(cadata=raw)
    return context


async def _shown(route: Route, context: ssl.SSLContext, *, binary: bool) -> Any:
    line = await reached(evolve(route, tls=context))
    try:
        return line.get_extra_info("ssl_object").getpeercert(binary_form=binary)
    finally:
        line.abort()
