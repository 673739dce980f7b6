"""Nothing is selected on test labels: no code that judges can see them, and no result shows them.

Three ways to see it: what detectors and the judging of history may import and read, whether a
backtest's scores change when its labels do, and what its results say of how they came to be.
"""

import ast
import json
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from oracles.small_detectors import SMALL

from tocsin.backtesting.judging import Finding, find
from tocsin.backtesting.plan import Reference, Task
from tocsin.detectors.catalogue import CATALOGUE, load
from tocsin.evaluation.datasets.catalogue import READERS
from tocsin.evaluation.datasets.labelled import Labelled, Stream, Truth
from tocsin.pipeline.types import BoolArray

ROOT = Path(__file__).resolve().parents[1]
JUDGING = ("detectors", "tocsin/history", "pipeline")
FORBIDDEN = (
    "tocsin.backtesting", "tocsin.evaluation.comparing", "tocsin.evaluation.datasets",
    "tocsin.evaluation.matching", "tocsin.evaluation.measures", "tocsin.evaluation.metrics",
    "tocsin.evaluation.report",
)  # fmt: skip
LABELS = {"by_channel", "label", "labelled", "labels", "truth"}
# Where labels are read that are no test labels, and whose they are.
OWN_LABELS = {
    "detectors/context/examples.py": "of synthetic windows, by the generator that made them",
    "detectors/context/training.py": "of synthetic windows, by the generator that made them",
    "detectors/reconstruction/transformer_training.py": "of clean windows that it spoiled itself",
}
# Where people's answers to incidents are read, which no backtest has.
ANSWERS = ("pipeline/labels.py", "pipeline/feedback.py", "pipeline/store.py", "pipeline/thresholds")
FITTED = {
    "as it goes", "as it goes, both ways", "on the rows before", "on its first rows",
    "on the series itself",
}  # fmt: skip
LEARNED = [
    name
    for name, entry in CATALOGUE.items()
    if re.match(r"tocsin\.detectors\.(context|forecast|reconstruction)\.", entry.path)
]
ROWS, TRAIN = 250, 130


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def forbidden_imports(tree: ast.Module) -> Iterator[int]:
    """Lines that import a module which knows labels or grades against them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        if any(f"{name}.".startswith(f"{wrong}.") for name in names for wrong in FORBIDDEN):
            yield node.lineno


def labels_read(tree: ast.Module) -> Iterator[int]:
    """Lines that read a label of something: an attribute, or an entry by that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in LABELS:
            yield node.lineno
        entry = node.slice if isinstance(node, ast.Subscript) else None
        if isinstance(entry, ast.Constant) and entry.value in LABELS:
            yield entry.lineno


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "code",
    [
        "from tocsin.evaluation.metrics import vus_pr",
        "from tocsin.evaluation import measures",
        "import tocsin.evaluation.datasets.nab",
    ],
)
def test_a_forbidden_import_is_found(code: str) -> None:
    assert list(forbidden_imports(ast.parse(code))) == [1]


@pytest.mark.parametrize("code", ["series.truth.events", "row['label']", "one.by_channel.any()"])
def test_a_label_that_is_read_is_found(code: str) -> None:
    assert list(labels_read(ast.parse(code)))


def test_nothing_that_judges_imports_what_grades() -> None:
    found = [
        f"{shown(path)}:{line}"
        for path in files(*JUDGING)
        for line in forbidden_imports(parsed(path))
    ]
    assert found == []


def test_nothing_that_judges_brings_in_what_grades_by_another_way() -> None:
    code = "import sys, tocsin.history.batch, tocsin.history.explaining; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    names = done.stdout.split()
    assert "tocsin.evaluation.panel" in names
    assert [
        name for name in names if f"{name}.".startswith(tuple(f"{w}." for w in FORBIDDEN))
    ] == []


def test_nothing_that_judges_reads_a_label() -> None:
    found = [
        f"{shown(path)}:{line}"
        for path in files(*JUDGING)
        if shown(path) not in OWN_LABELS and not shown(path).startswith(ANSWERS)
        for line in labels_read(parsed(path))
    ]
    assert found == []


def test_every_exception_is_in_use() -> None:
    assert [name for name in OWN_LABELS if not list(labels_read(parsed(ROOT / name)))] == []


def labelled(label: BoolArray) -> Labelled:
    """A series of two channels with a clear fault, labelled as is asked."""
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(ROWS)[:, None] / 5 + np.arange(2)) + 0.1 * rng.normal(size=(ROWS, 2))
    values[170:185, 0] += 4
    stream = Stream("pump", ("flow", "power"), np.arange(ROWS) * 60_000_000_000, values)
    return Labelled("made", stream, Truth.of(label), TRAIN, "made here", "Apache-2.0")


def labels(*spans: tuple[int, int]) -> BoolArray:
    found = np.zeros(ROWS, dtype=bool)
    for first, stop in spans:
        found[first:stop] = True
    return found


def judged(name: str, label: BoolArray) -> Finding:
    reference = Reference("made", "pump", Path("pump.csv"), "csv")
    return find(
        Task(reference, name, load(name)(**SMALL.get(name, {})), "causal", {}), labelled(label)
    )[0]


@cache
def rightly(name: str) -> Finding:
    return judged(name, labels((170, 185)))


@pytest.mark.parametrize("name", [*LEARNED, "knn", "mahalanobis"])
def test_other_labels_change_no_score_no_alarm_and_no_incident(name: str) -> None:
    right, wrong = rightly(name), judged(name, labels((150, 160), (230, ROWS)))
    for column in ("score", "tail", "alpha", "alarm"):
        one, other = (getattr(each.judged, column) for each in (right, wrong))
        assert one.tobytes() == other.tobytes()
    assert right.incidents == wrong.incidents
    for column in ("fitted", "train_rows", "settings", "seed", "unscored"):
        assert right.row[column] == wrong.row[column]
    assert right.row["labelled_rows"] != wrong.row["labelled_rows"]


@pytest.mark.parametrize("name", [*LEARNED, "knn", "mahalanobis"])
def test_a_result_says_that_it_was_fitted_on_rows_before_the_first_label(name: str) -> None:
    row = rightly(name).row
    assert row["fitted"] in FITTED
    assert row["train_rows"] == TRAIN <= 170
    assert row["rows"] == ROWS - TRAIN
    told = f"{row['fitted']} {row['settings']}".lower()
    assert not re.search(r"label|truth|f1|auc|vus|oracle_threshold", told)


def shipped() -> str:
    """All that is known of how the weights that come along were made."""
    told = []
    for name in ("rcd", "rcd_offline"):
        weights = (ROOT / f"detectors/context/{name}.safetensors").read_bytes()
        size = struct.unpack("<Q", weights[:8])[0]
        told.append(json.dumps(json.loads(weights[8 : 8 + size])["__metadata__"]))
        told.append((ROOT / f"detectors/context/{name}.log.jsonl").read_text(encoding="utf-8"))
    return "\n".join(told)


def test_no_labelled_data_set_has_a_part_in_the_weights_that_come_along() -> None:
    told = shipped().lower()
    assert "synthetic" in told or "kinds" in told
    names = {name.lower() for name in READERS} - {"csv"}
    assert len(names) > 5
    assert [name for name in sorted(names) if re.search(rf"\b{name}\b", told)] == []


def test_the_training_of_the_encoder_reads_the_generator_alone() -> None:
    tree = parsed(ROOT / "tocsin" / "commands" / "training.py")
    modules = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tocsin.evaluation")
    }
    own = ("tocsin.evaluation.datasets.generator", "tocsin.evaluation.datasets.kinds")
    assert modules
    assert [module for module in modules if not (module or "").startswith(own)] == []


def test_the_documentation_says_of_every_learned_detector_how_it_was_chosen() -> None:
    text = (ROOT / "docs" / "detectors.md").read_text(encoding="utf-8")
    _, found, rest = text.partition("\n## How it was chosen\n")
    assert found
    section = rest.partition("\n## ")[0]
    assert [name for name in [*LEARNED, "auto"] if f"`{name}`" not in section] == []


def test_what_chose_how_rcd_reads_is_told_and_stands_in_no_table_of_results() -> None:
    card = (ROOT / "docs" / "models" / "rcd.md").read_text(encoding="utf-8")
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert "No real series was used to train." in card
    section = card.partition("\n### How it was chosen\n")[2].partition("\n### ")[0]
    chose = ("SMAP", "MSL", "UCR", "MIT-BIH", "ECG", "Merlion", "ASD")
    assert [name for name in chose if name not in section] == []
    assert [name for name in ("NAB", "SKAB", "SMD", "GECCO", "KPI") if name not in results] == []
    assert [name for name in chose if re.search(rf"\b{name}\b", results, re.IGNORECASE)] == []
