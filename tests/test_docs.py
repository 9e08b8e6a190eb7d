"""The documentation: its programs run, its diagrams are drawn from the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from enum import Enum
from importlib import import_module
from pathlib import Path

import pytest

from cableway.transitions import to
from scripts.state_diagrams import drawn, mermaid

DOCS = Path(__file__).resolve().parent.parent / "docs"
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Light(Enum):
    """A traffic light."""

    RED = "red"
    GREEN = "green"


class Push(Enum):
    """What can happen to it."""

    BUTTON = "button: pushed"
    RAIN = "rain"


class Do(Enum):
    """What it does."""

    RING = "ring"


LIGHTS = {
    (Light.RED, Push.BUTTON): to(Light.GREEN, Do.RING),
    (Light.RED, Push.RAIN): to(Light.RED),
    (Light.GREEN, Push.BUTTON): to(Light.RED),
}


def test_a_table_becomes_a_diagram() -> None:
    """Each way from one state to another is an arrow with its reason and what is done; the rest is left out."""
    assert mermaid(LIGHTS).splitlines() == [
        "stateDiagram-v2",
        '    state "red" as RED',
        '    state "green" as GREEN',
        "    [*] --> RED",
        "    RED --> GREEN : button  pushed / ring",
        "    GREEN --> RED : button  pushed",
    ]


def test_outdated_diagrams_are_drawn_anew() -> None:
    """What stands between the marks is replaced; the rest of the page stays."""
    page = "before\n<!-- diagram: line -->\nold\n<!-- end -->\nafter\n"
    new = drawn(page)

    assert new.startswith("before\n<!-- diagram: line -->\n```mermaid\nstateDiagram-v2\n")
    assert new.endswith("```\n<!-- end -->\nafter\n")
    assert drawn(new) == new


def test_roles_become_code() -> None:
    """The reference shows the names that docstrings speak of, without the markup around them."""
    pytest.importorskip("griffe", reason="mkdocstrings is not installed: make docs has it")
    from scripts.docstring_roles import as_markdown

    text = "See :class:`~cableway.Cable` and :meth:`open`::\n\n    code\n\n::\n\n    more"
    assert as_markdown(text) == "See `Cable` and `open`:\n\n    code\n\n\n\n    more"


def snippets() -> list[str]:
    """Give the Python that the README and the pages show."""
    pages = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
    return [snippet for page in pages for snippet in PROGRAM.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("snippet", snippets(), ids=lambda snippet: next(iter(snippet.splitlines()), "")[:40])
def test_snippets_are_python_and_import_what_exists(snippet: str) -> None:
    """What the pages show can be compiled, and each name that it imports from us is there."""
    compile(snippet, "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(ast.parse(snippet)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cableway":
            module = import_module(str(node.module))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize(
    "program", [snippet for snippet in snippets() if "Gateway(" in snippet and "asyncio.run(" in snippet]
)
def test_whole_programs_run(program: str) -> None:
    """A program that brings its own server runs as it is, to its end, and prints something."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
