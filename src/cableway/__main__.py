"""``python -m cableway`` is the command ``cableway``."""

from __future__ import annotations

import sys

from cableway.cli import main

if __name__ == "__main__":
    sys.exit(main())
