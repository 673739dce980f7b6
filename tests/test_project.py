"""The project's own lint: rules of the style guide that no linter knows, each able to fail."""

import ast
import re
import tokenize
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ("pipeline", "detectors", "connectors", "evaluation", "tocsin")

# Where Exception may be caught, and why.
SUPERVISED = {
    "pipeline/judge.py": "a scorer that raises must not stop the other series",
    "tocsin/backtesting/running.py": "a detector that raises is a row of the table of results",
    "detectors/ahead.py": "what a background fit raises is raised where its result is taken",
    "pipeline/selftest/rounds.py": "a self-test that raises must not stop the rows",
    "pipeline/bulk.py": "a block whose scorer raises is judged again row by row",
}
# Where the interpreter's own random numbers are touched, and why.
STIRRED = {
    "evaluation/checks/invariance.py": "stirs them to show that no scorer reads them",
    "evaluation/contamination/gamma_gmm_published.py": "draws from old-style states of its own",
}
# Where a rule on loading code does not hold, and why.
EVALUATED: dict[str, str] = {}

SOUND_RANDOM = {
    "BitGenerator", "Generator", "MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64",
    "SeedSequence", "default_rng",
}  # fmt: skip
CODE_LOADING_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
REFERENCE = re.compile(
    r"\b10\.\d{4,9}/\S+|\barXiv:\d{4}\.\d{4,5}|\bISBN[ :]?[\d-]{10,17}|PMLR \d+:\d+"
)

Rule = Callable[[ast.Module], Iterator[int]]


def library_files() -> list[Path]:
    """The library's Python files; the links in tocsin/ are not followed."""
    return sorted(path for folder in LIBRARY for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(node: ast.expr) -> str:
    """`np.random.rand` as text; "" for anything but names and attributes."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import; `from a import b` gives a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def called(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield node.lineno, name


def prints(tree: ast.Module) -> Iterator[int]:
    """Calls of `print`."""
    return (line for line, name in called(tree) if name == "print")


def global_random(tree: ast.Module) -> Iterator[int]:
    """Random numbers whose state is the interpreter's and not ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = dotted(node.value)
            allowed = SOUND_RANDOM if owner in {"np.random", "numpy.random"} else {"Random"}
            if owner in {"np.random", "numpy.random", "random"} and node.attr not in allowed:
                yield node.lineno
    for line, name in imported(tree):
        package, _, last = name.rpartition(".")
        if package == "numpy.random" and last not in SOUND_RANDOM:
            yield line


def broad_except(tree: ast.Module) -> Iterator[int]:
    """`except:`, `except Exception` and `except BaseException`, alone or in a tuple."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {"BaseException" if kind is None else dotted(kind) for kind in kinds}
            if names & {"Exception", "BaseException"} and not always_raises(node):
                yield node.lineno


def always_raises(handler: ast.ExceptHandler) -> bool:
    """Whether the handler ends in a bare `raise`, so that it only cleans up."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def code_from_data(tree: ast.Module) -> Iterator[int]:
    """Ways to run what a file or a text says: pickle and its kin, eval, exec, a loose YAML load."""
    for line, name in imported(tree):
        if name.partition(".")[0] in CODE_LOADING_MODULES:
            yield line
    for line, name in called(tree):
        if name in {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}:
            yield line
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            refused = isinstance(node.value, ast.Constant) and node.value.value is False
            yield from () if refused else (node.value.lineno,)


def sleeps(tree: ast.Module) -> Iterator[int]:
    """Calls of `time.sleep` under either name."""
    return (line for line, name in called(tree) if name in {"time.sleep", "sleep"})


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of each comment."""
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def codeless_ignores(text: str) -> Iterator[int]:
    """Suppressions that do not say what they suppress."""
    bare = re.compile(r"(?:type|pyright):\s*ignore(?!\s*\[[\w,\s-]+\])|\bnoqa\b(?!:\s*[A-Z]+\d+)")
    return (line for line, comment in comments(text) if bare.search(comment))


def loose_ends(text: str) -> Iterator[int]:
    """Notes to do something later."""
    return (line for line, comment in comments(text) if re.search(r"\b(TODO|FIXME|XXX)\b", comment))


def breaches(rule: Rule, files: list[Path], allowed: dict[str, str] | None = None) -> list[str]:
    """Where files break a rule, as path:line."""
    return [
        f"{shown(path)}:{line}"
        for path in files
        if shown(path) not in (allowed or {})
        for line in rule(ast.parse(path.read_text(encoding="utf-8")))
    ]


def documentation(tree: ast.Module) -> str:
    """All docstrings of a module, joined."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
    return "\n".join(text for text in found if text)


def is_scorer(node: ast.stmt) -> bool:
    """Whether a statement is a class with `score` and `learn`."""
    if not isinstance(node, ast.ClassDef):
        return False
    return {"score", "learn"} <= {
        part.name for part in node.body if isinstance(part, ast.FunctionDef)
    }


def scorer_files() -> list[Path]:
    return [
        path
        for path in sorted((ROOT / "detectors").rglob("*.py"))
        if path.name != "trained.py"  # what scorers are made on is none itself
        if any(map(is_scorer, ast.parse(path.read_text(encoding="utf-8")).body))
    ]


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (prints, "print(1)"),
        (global_random, "np.random.rand(3)"),
        (global_random, "numpy.random.seed(1)"),
        (global_random, "from numpy.random import normal"),
        (global_random, "random.random()"),
        (broad_except, "try:\n  f()\nexcept Exception:\n  pass"),
        (broad_except, "try:\n  f()\nexcept (OSError, BaseException) as e:\n  raise E from e"),
        (broad_except, "try:\n  f()\nexcept:\n  pass"),
        (code_from_data, "import pickle"),
        (code_from_data, "from joblib import load"),
        (code_from_data, "eval('1')"),
        (code_from_data, "yaml.load(text)"),
        (code_from_data, "np.load(path, allow_pickle=True)"),
        (sleeps, "time.sleep(1)"),
    ],
)
def test_a_rule_finds_a_breach(rule: Rule, bad: str) -> None:
    assert list(rule(ast.parse(bad)))


@pytest.mark.parametrize(
    ("rule", "good"),
    [
        (prints, "console.print(1)"),
        (global_random, "np.random.default_rng(0).normal()"),
        (global_random, "from numpy.random import Generator"),
        (broad_except, "try:\n  f()\nexcept OSError:\n  pass"),
        (broad_except, "try:\n  f()\nexcept (*BROKEN, OSError):\n  pass"),
        (broad_except, "try:\n  f()\nexcept expected():\n  pass"),
        (broad_except, "try:\n  f()\nexcept BaseException:\n  undo()\n  raise"),
        (code_from_data, "yaml.safe_load(text)"),
        (code_from_data, "np.load(path, allow_pickle=False)"),
        (sleeps, "stop.wait(1)"),
    ],
)
def test_a_rule_leaves_sound_code_alone(rule: Rule, good: str) -> None:
    assert list(rule(ast.parse(good))) == []


@pytest.mark.parametrize(
    "comment", ["# type: ignore", "# pyright: ignore - why", "# noqa", "# noqa - because"]
)
def test_an_ignore_without_a_code_is_found(comment: str) -> None:
    assert list(codeless_ignores(f"x = 1  {comment}\n"))


@pytest.mark.parametrize(
    "comment",
    ["# type: ignore[arg-type] - why", "# noqa: E501 - why", "# pyright: ignore[reportX]"],
)
def test_an_ignore_with_a_code_is_accepted(comment: str) -> None:
    assert list(codeless_ignores(f"x = 1  {comment}\n")) == []


def test_only_the_command_line_prints() -> None:
    files = [path for path in library_files() if not shown(path).startswith("tocsin/cli")]
    assert breaches(prints, files) == []


def test_random_numbers_come_from_generators() -> None:
    assert breaches(global_random, library_files(), STIRRED) == []


def test_exceptions_are_caught_by_name() -> None:
    assert breaches(broad_except, library_files(), SUPERVISED) == []


def test_every_supervised_place_is_in_use() -> None:
    used = {place.partition(":")[0] for place in breaches(broad_except, library_files())}
    assert set(SUPERVISED) <= used


def test_data_is_never_run_as_code() -> None:
    assert breaches(code_from_data, library_files(), EVALUATED) == []


def test_tests_do_not_sleep() -> None:
    assert breaches(sleeps, sorted((ROOT / "tests").rglob("*.py"))) == []


def test_every_ignore_says_what_it_ignores() -> None:
    files = [*library_files(), *sorted((ROOT / "tests").rglob("*.py"))]
    found = {path: list(codeless_ignores(path.read_text(encoding="utf-8"))) for path in files}
    assert [f"{shown(path)}:{line}" for path, lines in found.items() for line in lines] == []


def test_nothing_is_left_for_later() -> None:
    found = {path: list(loose_ends(path.read_text(encoding="utf-8"))) for path in library_files()}
    assert [f"{shown(path)}:{line}" for path, lines in found.items() for line in lines] == []


def test_there_are_scorers_to_look_at() -> None:
    assert scorer_files()


def test_every_scorer_names_its_source() -> None:
    without = [
        shown(path)
        for path in scorer_files()
        if not REFERENCE.search(documentation(ast.parse(path.read_text(encoding="utf-8"))))
    ]
    assert without == []


def test_every_scorer_shows_an_example() -> None:
    without = [
        shown(path)
        for path in scorer_files()
        if ">>> " not in documentation(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert without == []
