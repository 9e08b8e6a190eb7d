"""Budgets that keep each room small enough to understand: lines a module, lines a function, methods a class.

Run it to see offenders and how the sizes spread: ``python scripts/budgets.py``.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "cableway"

MODULE_LINES = 400
FUNCTION_LINES = 40
MEDIAN_FUNCTION_LINES = 10
PUBLIC_METHODS = 12
# What users touch all day is allowed to be wider.
WIDE_CLASSES = {"Cable": 20, "Subscription": 20}

# Numbers from lists of requirements mean nothing to who reads the code: the case belongs there in words.
CASE_NUMBER = re.compile(r"\b[WNCXPSETAF]\d{2}\b")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yml", ".mjs", ".js", ".ru", ".rb", ".json", ".txt", ".cfg", ""}
GENERATED = {"package-lock.json"}
TOLD_IN = ("src", "tests", "docs", "examples", "benchmarks", "scripts")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Size(NamedTuple):
    """How big something is, and where it is."""

    place: str
    size: int


class Source:
    """The parsed modules of the package."""

    def __init__(self, folder: Path = SOURCE) -> None:
        self.texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}
        self.trees = {path: ast.parse(text) for path, text in self.texts.items()}
        self.classes = {
            node.name: node for tree in self.trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
        }

    def modules(self) -> Iterator[Size]:
        """Give the lines of each module."""
        for path, text in self.texts.items():
            yield Size(place(path), len(text.splitlines()))

    def functions(self) -> Iterator[Size]:
        """Give the lines of each function's body; its docstring is a contract, a transition table is data."""
        for path, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, Function) and not node.name.endswith("_table"):
                    yield Size(f"{place(path, node)} {node.name}", body_lines(node))

    def public_methods(self) -> Iterator[Size]:
        """Give the number of each class's public methods, inherited ones included: a mix-in hides nothing."""
        for path, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    yield Size(f"{place(path, node)} {node.name}", len(self.methods_of(node)))

    def methods_of(self, node: ast.ClassDef) -> set[str]:
        """Name the public methods of a class and of its bases in this package."""
        names = {item.name for item in node.body if isinstance(item, Function) and counts(item)}
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in self.classes and base.id != node.name:
                names |= self.methods_of(self.classes[base.id])
        return names


def place(path: Path, node: ast.stmt | None = None) -> str:
    """Name a place so that an editor finds it."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return f"{name}:{node.lineno}" if node else name


def body_lines(node: Function) -> int:
    """Count the lines of a function's body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def counts(node: Function) -> bool:
    """Tell whether a function counts as a public method: properties and overloads do not."""
    decorators = {ast.unparse(item).rpartition(".")[2] for item in node.decorator_list}
    return not node.name.startswith("_") and not decorators & {"property", "cached_property", "overload", "setter"}


def offenders(source: Source) -> list[str]:
    """Tell who is over budget, a sentence each."""
    found = [f"{name}: {size} lines, {MODULE_LINES} allowed" for name, size in source.modules() if size > MODULE_LINES]
    for name, size in source.functions():
        if size > FUNCTION_LINES:
            found.append(f"{name}(): {size} lines, {FUNCTION_LINES} allowed")
    for name, size in source.public_methods():
        allowed = WIDE_CLASSES.get(name.rpartition(" ")[2], PUBLIC_METHODS)
        if size > allowed:
            found.append(f"{name}: {size} public methods, {allowed} allowed")
    return found


def median_function(source: Source) -> float:
    """Tell the median size of a function."""
    return statistics.median([size for _, size in source.functions()] or [0])


def case_numbers() -> list[str]:
    """Tell where the repository speaks of a case by number."""
    files = [path for folder in TOLD_IN for path in (ROOT / folder).rglob("*") if told(path)]
    found = []
    for path in sorted(files + [path for path in ROOT.iterdir() if told(path)]):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found += [f"{place(path)}:{number}: {match}" for match in CASE_NUMBER.findall(line)]
    return found


def told(path: Path) -> bool:
    """Tell whether *path* is a text that people of this project wrote."""
    hidden = any(part in {"node_modules", "__pycache__", ".venv"} for part in path.parts)
    return path.is_file() and not hidden and path.suffix in TEXT_SUFFIXES and path.name not in GENERATED


def main() -> int:
    """Print how the sizes spread, and the offenders."""
    source = Source()
    functions = sorted(size for _, size in source.functions()) or [0]
    largest = max(source.modules(), key=lambda item: item.size)
    print(f"{len(source.texts)} modules, the largest {largest.place} with {largest.size} lines")
    print(f"{len(functions)} functions, median {median_function(source):g} lines, largest {functions[-1]}")
    found = offenders(source) + case_numbers()
    for line in found:
        print(f"over budget: {line}")
    return 1 if found or median_function(source) >= MEDIAN_FUNCTION_LINES else 0


if __name__ == "__main__":
    sys.exit(main())
