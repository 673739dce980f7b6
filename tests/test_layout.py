"""The shape of the tree: packages, links, sizes, and who may import what."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("pipeline", "detectors", "connectors", "evaluation")
HEAVY = {
    "httpx", "kafka", "matplotlib", "numba", "pandas", "plotly", "prometheus_client", "psutil",
    "pyarrow", "river", "scipy", "shap", "sklearn", "statsmodels", "torch", "xgboost",
}  # fmt: skip
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    """Python files under the folders, in order; the links in tocsin/ are not followed."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """`pipeline/types.py` is tocsin.pipeline.types."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] != "tocsin":
        parts.insert(0, "tocsin")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_lines(function: Function) -> int:
    """Lines from `def` to the end, without the docstring's."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function) and (lines := code_lines(node)) > MOST_FUNCTION_LINES:
            yield f"{shown(path)}:{node.lineno} {node.name} has {lines} lines"


def third_party_after(code: str) -> set[str]:
    """Top-level names of installed packages that `code` brings in, in a fresh interpreter."""
    script = f"import json, sys\nold = set(sys.modules)\n{code}\n"
    script += "print(json.dumps(sorted({n.partition('.')[0] for n in set(sys.modules) - old})))"
    command = [sys.executable, "-I", "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    brought = set(json.loads(done.stdout.splitlines()[-1]))
    return brought & set(packages_distributions()) - {"tocsin"}


def test_every_package_is_listed_in_pyproject() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    on_disk = {
        module_name(path) for path in python_files("tocsin", *MAPPED) if path.stem == "__init__"
    }
    assert set(table["tool"]["setuptools"]["packages"]) == on_disk


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for path in python_files("tocsin", *MAPPED)}
    assert [
        shown(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()
    ] == []


@pytest.mark.skipif(os.name == "nt", reason="a Windows checkout may have no symbolic links")
@pytest.mark.parametrize("name", MAPPED)
def test_links_in_tocsin_point_at_the_folders(name: str) -> None:
    link = ROOT / "tocsin" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name


def test_no_common_name_is_imported_at_the_top_level() -> None:
    subfolders = {path.parent.name for path in python_files(*MAPPED)}
    wiring = {path.stem for path in (ROOT / "tocsin").glob("*.py")} - {"__init__", "__main__"}
    assert ({*MAPPED, *wiring} | subfolders) & set(sys.modules) == set()


def test_nothing_is_called_utils() -> None:
    everywhere = python_files("tocsin", *MAPPED, "tests", "benchmarks", "docker")
    assert [shown(path) for path in everywhere if path.stem in {"utils", "helpers"}] == []


def test_no_file_is_too_long() -> None:
    long = []
    for path in python_files("tocsin", *MAPPED, "tests", "benchmarks", "docker"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_FILE_LINES:
            long.append(f"{shown(path)} has {lines} lines")
    assert long == []


def test_no_function_is_too_long() -> None:
    everywhere = python_files("tocsin", *MAPPED, "tests", "benchmarks", "docker")
    assert [found for path in everywhere for found in long_functions(path)] == []


def test_docstring_lines_do_not_count_as_code() -> None:
    body = "\n".join(["    '''One.", *["    more"] * 99, "    '''", "    return 1"])
    (function,) = ast.parse(f"def f():\n{body}\n").body
    assert isinstance(function, ast.FunctionDef)
    assert code_lines(function) == 2


def test_package_files_hold_a_docstring_and_nothing_else() -> None:
    busy = []
    hands_on_names = (
        ROOT / "evaluation" / "metrics" / "__init__.py"
    )  # metrics go by their own names
    for path in python_files(*MAPPED):
        if path.stem == "__init__" and path != hands_on_names:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if ast.get_docstring(tree) is None or len(tree.body) != 1:
                busy.append(shown(path))
    assert busy == []


def test_imports_go_one_way() -> None:
    script = "import sys; from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pipeline_needs_numpy_alone() -> None:
    names = ", ".join(module_name(path) for path in python_files("pipeline"))
    assert third_party_after(f"import {names}") == {"numpy"}


def test_importing_tocsin_brings_in_no_other_package() -> None:
    assert third_party_after("import tocsin") == set()


def test_asking_for_help_brings_in_nothing_heavy() -> None:
    code = """
from tocsin.cli import main
sys.argv = ["tocsin", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
    assert third_party_after(code) & HEAVY == set()


def test_catalogues_bring_in_nothing_heavy() -> None:
    code = "import tocsin.detectors.catalogue, tocsin.connectors.catalogue"
    assert third_party_after(code) & HEAVY == set()


def test_the_map_names_every_module() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    modules = [shown(path) for path in python_files("tocsin", *MAPPED) if path.stem != "__init__"]
    assert [module for module in modules if module not in text] == []


def test_the_map_names_only_what_is_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    folders = "|".join((*MAPPED, "tocsin", "tests", "docs", "docker", "benchmarks"))
    named = re.findall(rf"(?<![\w/.-])(?:{folders})/(?:[\w.-]+/)*(?:[\w-]+\.\w+)?", text)
    assert named
    assert [path for path in sorted(set(named)) if not (ROOT / path).exists()] == []
