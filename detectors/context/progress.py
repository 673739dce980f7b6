"""How training goes: a line of JSON a record, and how well held-out anomalies are found."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.pipeline.errors import StateError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

Record = dict[str, Any]


def append(log: Path, records: list[Record]) -> None:
    """Add the records to the log, a line each; numbers are written so that they read back exact."""
    with log.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def read(log: Path) -> list[Record]:
    """The records of a log; none where there is no log. A last line cut by a kill is left out."""
    if not log.exists():
        return []
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    try:
        return [json.loads(line) for line in whole]
    except ValueError as error:
        raise StateError(f"{log}: not a training log: {error}") from error


def rewind(log: Path, step: int) -> None:
    """Drop what the log says of steps after `step`, which will be trained anew."""
    kept = [record for record in read(log) if record["step"] <= step]
    draft = log.with_name(log.name + ".draft")
    draft.unlink(missing_ok=True)
    append(draft, kept)
    draft.replace(log)


def average_precision(score: FloatArray, label: BoolArray) -> float:
    """The area under precision over recall, in steps; NaN where nothing is labelled.

    Equal scores count as one threshold.

    >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))
    0.8333333333333333
    """
    order = np.argsort(-score, kind="stable")
    hit = np.cumsum(label[order])
    last = np.append(np.diff(score[order]) != 0, True)
    hit, at = hit[last], np.flatnonzero(last) + 1
    if not hit.size or not hit[-1]:
        return float("nan")
    return float(np.sum(np.diff(hit, prepend=0) * (hit / at)) / hit[-1])


def by_kind(
    logit: FloatArray, label: BoolArray, kind: IntArray, kinds: tuple[str, ...]
) -> dict[str, float]:
    """Average precision over the points of all windows (B, L), `all`, and of those of each kind."""
    found = {"all": average_precision(logit.ravel(), label.ravel())}
    for index, name in enumerate(kinds):
        of_kind = kind == index
        if label[of_kind].any():
            found[name] = average_precision(logit[of_kind].ravel(), label[of_kind].ravel())
    return found
