"""The list of cases in the documentation, and the tests: one for one."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIST = HERE.parent.parent / "docs" / "conformance.md"


def test_each_case_is_listed_and_each_listed_case_is_tested() -> None:
    """Under the file's heading, each once, and with where it runs told truly."""
    listed: dict[str, dict[str, str]] = {}
    for section in re.split(r"^## ", LIST.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name = re.match(r"[\w ]+ \(`tests/conformance/(test_\w+\.py)`\)", section)
        rows = re.findall(r"^\| [^|]+ \| `(test_\w+)` \| (both|gateway) \| [^|]+ \|$", section, flags=re.MULTILINE)
        if name is not None:
            listed[name.group(1)] = dict(rows)
            assert len(dict(rows)) == len(rows)
    assert listed == {path.name: _cases(path) for path in HERE.glob("test_*.py") if path != Path(__file__).resolve()}


def _cases(path: Path) -> dict[str, str]:
    defined = re.findall(r"^async def (test_\w+)\(([^)]*)\)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: "both" if re.search(r"\b\w+: Server\b", given) else "gateway" for name, given in defined}
