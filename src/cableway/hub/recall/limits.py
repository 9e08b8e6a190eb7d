"""How long a recovery waits, and how much it holds."""

from __future__ import annotations

from cableway.policies.vigil import PATIENCE

ANSWER = 10.0
"""Seconds that a server has to answer. It may stay silent where it finds fault with a question."""

SILENT = 5.0
"""Seconds without a beat after which a missing answer may be the line's fault."""

VERDICT = PATIENCE + 1.0
"""Seconds in which a line is given up that brings no sign of life when asked for one."""

OLD = 10
"""Times the life of its messages after which a server may have forgotten a stream, and begun it anew."""

RESTART_IDLE = 9.0
"""Seconds without a message after which a low number can be that of a stream begun anew.

AnyCable does so after ten times ``history_ttl`` without a message, and that is whole seconds."""

HELD_MESSAGES = 10_000
HELD_BYTES = 16 * 1024 * 1024
"""What is held at most while an answer is awaited."""
