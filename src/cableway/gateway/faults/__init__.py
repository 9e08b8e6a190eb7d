"""Faults to order: what networks, proxies and servers do to clients, done to them when a test says so."""

from __future__ import annotations

from cableway.gateway.faults.fault import Fault
from cableway.gateway.faults.faults import Faults

__all__ = ["Fault", "Faults"]
