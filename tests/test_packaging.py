"""What a program gets that installs and imports the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from pkgutil import walk_packages

import pytest

import cableway

HEAVY = ["aiohttp", "httpx2", "jwt", "tenacity", "sqlite3", "rich", "click"]
CORE = {"attr", "attrs", "websockets", "cableway"}
# Taken by itself where it is installed.
TAKEN = {"orjson"}
PUBLIC = ["cableway", "cableway.errors", "cableway.gateway", "cableway.server", "cableway.sync"]


def in_a_fresh_python(code: str) -> str:
    """Run *code* in a Python of its own and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    """``import cableway`` pays for nothing that the program may not use."""
    code = f"import sys, cableway; print([name for name in {HEAVY} if name in sys.modules])"
    assert in_a_fresh_python(code) == "[]"


@pytest.mark.parametrize("line", ["from cableway import Cable", "from cableway.sync import Cable"])
def test_the_client_needs_the_core_only(line: str) -> None:
    """The client runs on the core's dependencies, of which nothing heavy is loaded before it is used."""
    code = f"""
import sys
before = set(sys.modules)
{line}
Cable("ws://127.0.0.1:1/cable")
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(sorted(loaded - set(sys.stdlib_module_names) - {CORE | TAKEN!r}))
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert in_a_fresh_python(code) == "[]\n[]"


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_what_is_there(name: str) -> None:
    """Each name in ``__all__`` can be imported, is listed once, and shows up for those who look around."""
    module = import_module(name)
    names = list(module.__all__)

    assert len(names) == len(set(names))
    assert [one for one in names if not hasattr(module, one)] == []
    assert set(names) <= set(dir(module))


HOMES = "cableway.homes"
"""Where the names live: the table that the package itself looks them up in."""


def test_type_checkers_see_what_is_there() -> None:
    """The names that type checkers are shown are those that exist."""
    tree = ast.parse(Path(str(cableway.__file__)).read_text())
    shown: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cableway") and node.module != HOMES:
            for alias in node.names:
                every = alias.name == "*"
                shown |= set(import_module(str(node.module)).__all__) if every else {alias.asname or alias.name}

    assert set(cableway.__all__) - {"__version__"} == shown


def test_unknown_names_are_told_so() -> None:
    """A name that does not exist is an ordinary attribute error."""
    with pytest.raises(AttributeError, match="NoSuchName"):
        cableway.NoSuchName  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    """The version is told in one place."""
    assert cableway.__version__ == metadata.version("cableway")


def test_type_information_is_shipped() -> None:
    """The marker that tells type checkers to look is part of the package."""
    assert Path(str(cableway.__file__)).with_name("py.typed").exists()


def test_every_module_can_be_imported_by_itself() -> None:
    """No module needs another one to have been imported before it."""
    names = [item.name for item in walk_packages(cableway.__path__, "cableway.") if not item.name.endswith("__main__")]
    code = f"""
import importlib, sys
for name in {names!r}:
    for loaded in [one for one in sys.modules if one.partition(".")[0] == "cableway"]:
        del sys.modules[loaded]
    importlib.import_module(name)
print("all")
"""
    assert in_a_fresh_python(code) == "all"
