"""Have the reference show our docstrings as Markdown: roles such as ``:class:`Cable``` become plain code.

The docstrings name things by role so that editors link them; Markdown does not know roles. Loaded by mkdocs.yml.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):`(?:~[\w.]+\.)?([^`]+)`")
LITERAL = re.compile(r"^(.*?)[ \t]*::$", re.MULTILINE)


def as_markdown(text: str) -> str:
    """Return *text* with roles as code, and the colons that announce an indented block as Markdown has them."""
    return LITERAL.sub(lambda match: f"{match[1]}:" if match[1] else "", ROLE.sub(r"`\1`", text))


class DocstringRoles(Extension):
    """Turns the docstring of each object into Markdown."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of *obj*, if it has one."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
