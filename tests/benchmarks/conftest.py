"""Benchmarks are programs, which import what lies beside them: let the tests do so, too."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = str(Path(__file__).resolve().parent.parent.parent / "benchmarks")

if BENCHMARKS not in sys.path:
    sys.path.append(BENCHMARKS)
