"""The documentation: its programs run, its diagrams are drawn from the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cableway.transitions import to
from scripts.state_diagrams import drawn, mermaid

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_the_reference_shows_how_attrs_classes_are_called(tmp_path: Path) -> None:
    """What attrs makes of fields is there with its defaults; properties and fields that no call sets are not."""
    griffe = pytest.importorskip("griffe", reason="mkdocstrings is not installed: make docs has it")
    from scripts.attrs_signatures import AttrsSignatures

    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    shop = griffe.load("shop", search_paths=[tmp_path], extensions=griffe.load_extensions(AttrsSignatures))

    order = {one.name: (str(one.default), one.kind.value) for one in shop["Order"].parameters if one.name != "self"}
    assert order == {
        "number": ("None", "positional or keyword"),
        "items": ("list()", "positional or keyword"),
        "paid": ("False", "keyword-only"),
    }
    assert [one.name for one in shop["Plain"].parameters] == []


SHOP = """
from attrs import field, frozen

@frozen
class Order:
    number: int
    paid: bool = field(default=False, kw_only=True)
    items: list[str] = field(factory=list)
    _seen: bool = field(default=False, init=False)

    @property
    def size(self) -> int:
        return len(self.items)

class Plain:
    number: int = 1
"""


def pages() -> list[Path]:
    """Give the README and the pages."""
    return [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]


def snippets() -> list[str]:
    """Give the Python that the README and the pages show."""
    return [snippet for page in pages() for snippet in PROGRAM.findall(page.read_text(encoding="utf-8"))]


def shown_tests(page: Path) -> dict[str, Any]:
    """Give the tests that a page shows, with the imports, classes and functions of that page around them."""
    texts = PROGRAM.findall(page.read_text(encoding="utf-8"))
    if not any(re.search(r"^def test_", text, re.MULTILINE) for text in texts):
        return {}
    kept = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    parsed = [ast.parse(text) for text in texts if "def " in text or "import" in text]
    body: list[ast.stmt] = [node for tree in parsed for node in tree.body if isinstance(node, kept)]
    names: dict[str, Any] = {"__name__": page.stem}
    exec(compile(ast.Module(body, []), str(page), "exec", dont_inherit=True), names)  # noqa: S102 - our own pages
    return {name: function for name, function in names.items() if name.startswith("test_")}


SHOWN_TESTS = [(page.name, name, test) for page in pages() for name, test in shown_tests(page).items()]


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


@pytest.mark.parametrize("shown", [pytest.param(test, id=f"{page}-{name}") for page, name, test in SHOWN_TESTS])
def test_shown_tests_pass(shown: Callable[[], None]) -> None:
    """A test that a page shows to its readers passes, with what that page defines."""
    shown()


def test_the_pages_on_policies_show_tests() -> None:
    """Those who write a monitor or a backoff of their own are shown how to test it."""
    assert {page for page, _, _ in SHOWN_TESTS} >= {"monitors.md", "reconnecting.md"}
