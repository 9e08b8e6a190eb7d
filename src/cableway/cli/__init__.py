"""The command ``cableway``; needs ``pip install 'cableway[cli]'``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cableway.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; *arguments* are those of the process unless given."""
    try:
        import click as _click  # noqa: F401 - only to learn whether it is there
    except ImportError:
        print(f"error: {MissingExtra('the command cableway', 'cli')}", file=sys.stderr)  # noqa: T201 - click is not there
        return 1
    from cableway.cli.app import run_app

    return run_app(arguments)
