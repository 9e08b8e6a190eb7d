"""Make ``.venv`` ready for a purpose: ``demo``, ``test`` or ``dev``. Quick, if it is ready already."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
WANTED = {
    "demo": ["--editable", ".[gateway,cli]"],
    "test": ["--editable", ".[all]", "--group", "test"],
    "dev": ["--editable", ".[all]", "--group", "dev"],
}
FULFILS = {"demo": ("demo",), "test": ("test", "demo"), "dev": ("dev", "test", "demo")}
QUIET = ["--disable-pip-version-check", "--quiet"]
VERSION_PROBE = "import sys; print('{}.{}'.format(*sys.version_info[:2]))"


def main(purpose: str) -> None:
    """Install what *purpose* needs, unless its stamp says that this was done for this ``pyproject.toml``."""
    key = hashlib.sha256(Path("pyproject.toml").read_bytes()).hexdigest()
    ensure_venv()
    if stamp(purpose).exists() and stamp(purpose).read_text() == key:
        return
    print(f"Installing what `{purpose}` needs into {VENV} ...", flush=True)
    # 25.1 is the first pip that knows --group.
    run(PYTHON, "-m", "pip", *QUIET, "install", "pip>=25.1")
    run(PYTHON, "-m", "pip", *QUIET, "install", *WANTED[purpose])
    for name in FULFILS[purpose]:
        stamp(name).write_text(key)


def stamp(purpose: str) -> Path:
    """Tell the file that remembers for which ``pyproject.toml`` *purpose* was installed."""
    return VENV / f".installed-{purpose}"


def ensure_venv() -> None:
    """Make the environment, or make it anew if it belongs to another Python."""
    mine = "{}.{}".format(*sys.version_info[:2])
    if version_of(PYTHON) == mine:
        return
    print(f"Making {VENV} with Python {mine} ...", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False)
    if made.returncode:
        hint = "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"
        sys.exit(f"{hint} ({sys.executable})")


def version_of(python: Path) -> str:
    """Tell the version of *python*; nothing if it is not there or does not run."""
    try:
        return subprocess.run([python, "-c", VERSION_PROBE], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def run(*command: str | Path) -> None:
    """Run *command*; leave with its status if it fails."""
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
