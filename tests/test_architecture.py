"""The shape of the house: import contracts, budgets, and a test file for each module."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import budgets, state_diagrams

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "cableway"
TESTS = ROOT / "tests"

# Modules without a test file of their own, and where their promises are held instead.
TESTED_ELSEWHERE: dict[str, str] = {
    "__main__.py": "cli/test_app.py starts the program",
    "auth/providers/base.py": "the interface only; the providers' tests hold it",
    "auth/providers/discretion.py": "auth/providers/test_endpoint.py looks for secrets in all logs",
    "auth/providers/process.py": "auth/providers/test_command.py starts programs",
    "auth/providers/request.py": "auth/providers/test_endpoint.py sends requests",
    "auth/providers/response.py": "auth/providers/test_endpoint.py reads answers",
    "gateway/faults/effects.py": "plain values; gateway/faults/test_doors.py sees each happen",
    "transports/polling/courier.py": "transports/polling/test_connection.py has it poll a server",
    "transports/base.py": "interfaces only; the transports' tests hold the contract",
    "wire/codecs/base.py": "interfaces only; wire/codecs/test_json.py holds the contract",
}


def test_nothing_is_over_budget() -> None:
    """No module, function or class is larger than what a reader can hold in mind."""
    assert budgets.offenders(budgets.Source()) == []


def test_functions_are_small_as_a_rule() -> None:
    """Half of all functions have fewer than ten lines."""
    assert budgets.median_function(budgets.Source()) < budgets.MEDIAN_FUNCTION_LINES


def test_budgets_find_what_is_too_large(tmp_path: Path) -> None:
    """The check sees a long module, a long function, and a class whose methods hide in a base."""
    lines = "\n".join(f"        x{n} = {n}" for n in range(budgets.FUNCTION_LINES + 1))
    methods = "\n".join(f"    def m{n}(self): ..." for n in range(7))
    more = methods.replace("def m", "def n")
    text = f"class A:\n{methods}\nclass B(A):\n{more}\n    def _long(self):\n{lines}\n" + "\n" * budgets.MODULE_LINES
    (tmp_path / "large.py").write_text(text)

    found = budgets.offenders(budgets.Source(tmp_path))

    assert [line.partition(": ")[2] for line in found] == [
        f"{len(text.splitlines())} lines, 400 allowed",
        "41 lines, 40 allowed",
        "14 public methods, 12 allowed",
    ]


def test_properties_and_overloads_are_free(tmp_path: Path) -> None:
    """Neither a property nor an overload nor a private method counts as a public method."""
    free = "\n".join(
        f"    @property\n    def p{n}(self): ...\n    @overload\n    def o{n}(self): ..." for n in range(20)
    )
    (tmp_path / "wide.py").write_text(f"class A:\n{free}\n    def _private(self): ...\n    def only(self): ...\n")

    assert [size for _, size in budgets.Source(tmp_path).public_methods()] == [1]


def test_cases_are_told_in_words() -> None:
    """Nothing in the repository speaks of a case by a number that only some list outside explains."""
    assert budgets.case_numbers() == []


def test_import_contracts_hold() -> None:
    """Imports point one way, what decides does no I/O, and gateway and client meet only in wire."""
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed: make check has it")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", ["wire", "policies", "hub"])
def test_what_decides_is_handed_its_dice(package: str) -> None:
    """No module that decides imports ``random``, but for the name of the type that it is handed."""
    for path in sorted((SOURCE / package).rglob("*.py")):
        for node in ast.walk(without_type_checking(ast.parse(path.read_text()))):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "random"), path
            assert not (isinstance(node, ast.Import) and "random" in {name.name for name in node.names}), path


def without_type_checking(tree: ast.Module) -> ast.Module:
    """Return *tree* without what only type checkers see."""
    seen = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return ast.Module(seen, [])


def test_diagrams_are_those_of_the_code() -> None:
    """The state diagrams of the documentation are what the transition tables say."""
    assert [str(path) for path, _ in state_diagrams.outdated()] == []


def test_each_module_has_its_tests() -> None:
    """Who changes a module finds its tests under the same name; exceptions are listed with their reason."""
    missing = [module for module in modules() if not has_tests(module)]

    assert sorted(set(missing) - set(TESTED_ELSEWHERE)) == []
    assert sorted(set(TESTED_ELSEWHERE) - set(missing)) == []


def modules() -> list[str]:
    """Name the modules that hold code, relative to the package."""
    paths = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))
    return [path for path in paths if not path.endswith("__init__.py")]


def has_tests(module: str) -> bool:
    """Tell whether *module* has a test file of its name, in the folder of its package or of its part."""
    folder, _, name = module.rpartition("/")
    return any((TESTS / place / f"test_{name}").exists() for place in (folder, folder.partition("/")[0]))
