"""The tree of errors, as it is drawn and as it is."""

from __future__ import annotations

import pkgutil
import re
from typing import TYPE_CHECKING

from cableway import errors
from tests.errors.texts import defined_in

if TYPE_CHECKING:
    from cableway.errors import CableError


def tree() -> dict[str, list[str]]:
    """Read the outline in the package's docstring: each name with those under it."""
    assert errors.__doc__ is not None
    children: dict[str, list[str]] = {}
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"    ((?:[│ ] {3})*(?:[├└]── )?)([A-Z]\w+)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        path[depth:] = [found[2]]
        children[found[2]] = []
        if depth:
            children[path[depth - 1]].append(found[2])
    return children


def classes() -> list[type[CableError]]:
    """Return all errors that the package's modules define."""
    return [item for _, name, _ in pkgutil.iter_modules(errors.__path__) for item in defined_in(name)]


def test_the_outline_is_the_tree() -> None:
    """What the docstring draws is what the code does, each error under its first ancestor."""
    real: dict[str, list[str]] = {item.__name__: [] for item in classes()}
    for item in classes():
        parent = item.__mro__[1].__name__
        if parent in real:
            real[parent].append(item.__name__)
    outline = tree()
    assert set(outline) == set(real)
    assert {name: set(below) for name, below in outline.items()} == {name: set(below) for name, below in real.items()}


def test_all_errors_are_exported() -> None:
    """And all have a docstring."""
    assert set(errors.__all__) == {item.__name__ for item in classes()}
    assert all(item.__doc__ for item in classes())
