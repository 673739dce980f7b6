"""Every MUST of docs/spec names what holds it, and every check is named by a MUST."""

import ast
import re
from pathlib import Path

import pytest

from tocsin.evaluation.checks.calibrators import CALIBRATOR_CHECKS
from tocsin.evaluation.conformance import CHECKS

ROOT = Path(__file__).resolve().parents[1]
SPECS = sorted((ROOT / "docs" / "spec").glob("*.md"))
GUARANTEES = ROOT / "docs" / "guarantees.md"

NAMED = re.compile(r"`(tests/[\w/]+\.py::\w+|check_\w+)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions_of(path: Path) -> set[str]:
    """Names of all functions of a file, those of its classes too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def checks_by_page() -> dict[str, set[str]]:
    """The checks that each page must name."""
    checks = ROOT / "evaluation" / "checks"
    sources = functions_of(checks / "sources.py") - {"check_source"}  # it only calls the others
    return {
        "scorer.md": {check.run.__name__ for check in CHECKS} | {"check_old_states_load"},
        "calibrator.md": {check.__name__ for check in CALIBRATOR_CHECKS.values()},
        "source.md": {name for name in sources if name.startswith("check_")},
        "sink.md": {n for n in functions_of(checks / "sinks.py") if n.startswith("check_")},
    }


def musts(text: str) -> list[str]:
    """The promises of a page: each is a line, and names in its last sentence what holds it."""
    words = "The words MUST and SHOULD"
    return [line for line in text.splitlines() if "MUST" in line and not line.startswith(words)]


def unheld(text: str) -> list[str]:
    """Promises that are no item of a list, or that name nothing after "Held by"."""
    return [
        line
        for line in musts(text)
        if not line.startswith("- ") or not NAMED.search(line.partition(" Held by ")[2])
    ]


def missing_tests(text: str) -> list[str]:
    """Tests that a page names and that are not there."""
    return sorted(
        f"{path}::{name}"
        for path, name in set(TEST.findall(text))
        if not (ROOT / path).is_file() or name not in functions_of(ROOT / path)
    )


def name_of(path: Path) -> str:
    return path.name


def test_every_contract_has_a_page() -> None:
    assert {path.name for path in SPECS} == checks_by_page().keys()


@pytest.mark.parametrize("page", SPECS, ids=name_of)
def test_every_must_names_what_holds_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert musts(text)
    assert unheld(text) == []


@pytest.mark.parametrize("page", SPECS, ids=name_of)
def test_every_check_is_named_by_a_must_of_its_page_and_no_other_is(page: Path) -> None:
    named = {
        name for line in musts(page.read_text(encoding="utf-8")) for name in NAMED.findall(line)
    }
    assert {name for name in named if name.startswith("check_")} == checks_by_page()[page.name]


@pytest.mark.parametrize("page", [*SPECS, GUARANTEES], ids=name_of)
def test_every_test_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert TEST.search(text) or page.name == "scorer.md"
    assert missing_tests(text) == []


def test_every_guarantee_names_a_test() -> None:
    text = GUARANTEES.read_text(encoding="utf-8")
    sections = text.split("\n## ")[1:]
    assert [section.partition("\n")[0] for section in sections if not TEST.search(section)] == []


@pytest.mark.parametrize(
    "line",
    [
        "A scorer MUST be kind.",
        "- A scorer MUST be kind.",
        "- A scorer MUST be kind. Held by hope.",
        "- A scorer MUST be kind, see `check_settings`.",
    ],
)
def test_a_must_that_nothing_holds_is_found(line: str) -> None:
    assert unheld(f"# Scorer\n\n{line}\n") == [line]


def test_a_must_that_a_check_holds_is_accepted() -> None:
    assert unheld("- A scorer MUST be kind. Held by `check_settings`.\n") == []


def test_a_test_that_is_not_there_is_found() -> None:
    text = "`tests/test_spec.py::test_of_nothing` and `tests/test_nothing.py::test_of_nothing`"
    assert missing_tests(text) == [
        "tests/test_nothing.py::test_of_nothing",
        "tests/test_spec.py::test_of_nothing",
    ]
