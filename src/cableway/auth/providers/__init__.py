"""Where tokens come from: fixed, from a function, a server, a file, or a program."""

from __future__ import annotations

from cableway.auth.providers.base import TokenProvider
from cableway.auth.providers.command import CommandToken
from cableway.auth.providers.endpoint import EndpointToken
from cableway.auth.providers.file import FileToken
from cableway.auth.providers.function import CallableToken
from cableway.auth.providers.given import as_provider
from cableway.auth.providers.static import StaticToken

__all__ = [
    "CallableToken",
    "CommandToken",
    "EndpointToken",
    "FileToken",
    "StaticToken",
    "TokenProvider",
    "as_provider",
]
