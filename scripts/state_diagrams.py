"""Draw the transition tables of the code into the documentation, so that the two cannot drift apart.

``python scripts/state_diagrams.py`` rewrites the blocks between ``<!-- diagram: NAME -->`` and ``<!-- end -->``;
with ``--check`` it only tells whether they are up to date.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = Path(__file__).resolve().parent.parent / "docs"
TABLES = {
    "line": ("cableway.policies.line", "TABLE"),
    "client-session": ("cableway.wire.client_session", "TABLE"),
    "wish": ("cableway.hub.wish", "TABLE"),
    "server-session": ("cableway.wire.server_table", "TABLE"),
    "server-subscription": ("cableway.wire.server_table", "SUBSCRIPTION_TABLE"),
}
BLOCK = re.compile(r"(<!-- diagram: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# Characters that end a label in Mermaid.
FORBIDDEN = str.maketrans({":": " ", ";": ",", "#": " "})


def mermaid(table: Mapping[tuple[Any, Any], Any]) -> str:
    """Write *table* as a Mermaid state diagram. Events that change nothing and cause nothing are left out."""
    states = list(dict.fromkeys([state for state, _ in table] + [cell.target for cell in table.values()]))
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{label(state.value)}" as {state.name}' for state in states]
    lines += [f"    [*] --> {states[0].name}"]
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), cell in table.items():
        if cell.actions or cell.target is not state:
            arrows.setdefault((state.name, cell.target.name), []).append(told(event, cell.actions))
    lines += [f"    {source} --> {target} : {'<br/>'.join(texts)}" for (source, target), texts in arrows.items()]
    return "\n".join(lines)


def told(event: Any, actions: tuple[Any, ...]) -> str:
    """Write an event and what is done about it."""
    done = ", ".join(label(action.value) for action in actions)
    return label(event.value) + (f" / {done}" if done else "")


def label(text: str) -> str:
    """Write *text* so that Mermaid takes it for a label."""
    return text.replace("_", " ").translate(FORBIDDEN)


def drawn(page: str) -> str:
    """Return *page* with its diagrams as the code has them now."""

    def draw(match: re.Match[str]) -> str:
        module, name = TABLES[match["name"]]
        table = getattr(import_module(module), name)
        return f"{match[1]}```mermaid\n{mermaid(table)}\n```\n{match[3]}"

    return BLOCK.sub(draw, page)


def outdated() -> Iterator[tuple[Path, str]]:
    """Give the pages whose diagrams are not those of the code, with the text that they should have."""
    for path in sorted(DOCS.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        if drawn(page) != page:
            yield path, drawn(page)


def main(*, check: bool) -> int:
    """Rewrite what is outdated; when only checking, name it and return 1."""
    pages = list(outdated())
    for path, text in pages:
        if check:
            print(f"{path.relative_to(DOCS.parent)}: the diagrams are not those of the code. Run: make diagrams")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"drawn anew: {path.relative_to(DOCS.parent)}")
    return 1 if check and pages else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
