"""A server that behaves as AnyCable does, with channels in Python; needs ``pip install 'cableway[gateway]'``."""

from __future__ import annotations

from cableway.errors import MissingExtra

try:
    import aiohttp as _aiohttp  # noqa: F401 - only to learn whether it is there
except ImportError as _error:
    _feature = "the gateway"
    raise MissingExtra(_feature, "gateway") from _error

from cableway.gateway.channel import Channel, action, periodically
from cableway.gateway.connection import Connection, Request
from cableway.gateway.faults import Fault, Faults
from cableway.gateway.gateway import Gateway
from cableway.gateway.options import GatewayOptions, OptionSpec, option_specs, options_from_mapping
from cableway.gateway.stats import GatewayStats
from cableway.gateway.tokens import TokenDesk

__all__ = [
    "Channel",
    "Connection",
    "Fault",
    "Faults",
    "Gateway",
    "GatewayOptions",
    "GatewayStats",
    "OptionSpec",
    "Request",
    "TokenDesk",
    "action",
    "option_specs",
    "options_from_mapping",
    "periodically",
]
