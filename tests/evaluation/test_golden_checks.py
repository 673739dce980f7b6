"""Golden state files: written once, read for good, and a change of meaning is caught."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tocsin.evaluation.checks.golden import check_old_states_load, write_golden
from tocsin.evaluation.checks.verdict import ConformanceError
from tocsin.pipeline.errors import StateError, TocsinError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.state import Plain
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec, Traits

SPEC = Spec((2,))


@dataclass
class Last:
    frame: FloatArray = per_key(np.nan)  # (K, C)


@dataclass(frozen=True)
class Jump:
    """How far the first channel moved since the row before."""

    gain: float = 1.0

    traits: ClassVar[Traits] = Traits(scale_free=False)
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 1

    def start(self, spec: Spec) -> Any:
        return Last(np.empty((0, *spec.item)))

    def score(self, state: Any, batch: Batch) -> Scores:
        return Scores(self.gain * np.abs(batch.values[:, -1] - state.frame[batch.key])[:, 0])

    def learn(self, state: Any, batch: Batch) -> None:
        state.frame[batch.key] = batch.values[:, -1]


class JumpOfTwice(Jump):
    """A new meaning under the old version; only its name is kept."""

    def score(self, state: Any, batch: Batch) -> Scores:
        return Scores(2.0 * super().score(state, batch).value)


JumpOfTwice.__name__ = "Jump"


@dataclass
class LastRenamed:
    newest: FloatArray = per_key(np.nan)  # (K, C)


class JumpRenamed(Jump):
    version: ClassVar[int] = 2

    def start(self, spec: Spec) -> Any:
        return LastRenamed(np.empty((0, *spec.item)))

    def score(self, state: Any, batch: Batch) -> Scores:
        return super().score(Last(state.newest), batch)

    def learn(self, state: Any, batch: Batch) -> None:
        state.newest[batch.key] = batch.values[:, -1]


JumpRenamed.__name__ = "Jump"


def upgrade(version: int, values: Plain) -> Plain:
    assert version == 1
    return {"newest": values["frame"]}


def test_a_written_state_loads_with_the_scores_it_had(tmp_path: Path) -> None:
    assert write_golden(Jump(), SPEC, tmp_path / "jump").name == "v1.zip"
    check_old_states_load(Jump(), SPEC, tmp_path / "jump")


def test_a_golden_file_is_written_once(tmp_path: Path) -> None:
    write_golden(Jump(), SPEC, tmp_path)
    with pytest.raises(TocsinError, match="is there already"):
        write_golden(Jump(), SPEC, tmp_path)


def test_a_missing_version_is_caught(tmp_path: Path) -> None:
    with pytest.raises(ConformanceError, match="each version has a golden state file"):
        check_old_states_load(Jump(), SPEC, tmp_path)


def test_a_new_meaning_of_an_old_state_is_caught(tmp_path: Path) -> None:
    write_golden(Jump(), SPEC, tmp_path)
    with pytest.raises(ConformanceError, match="version 1 goes on with the scores it had"):
        check_old_states_load(JumpOfTwice(), SPEC, tmp_path)


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    write_golden(Jump(), SPEC, tmp_path)
    with pytest.raises(StateError, match=r"gain 1\.0, this run needs 3\.0"):
        check_old_states_load(replace(Jump(), gain=3.0), SPEC, tmp_path)


def test_an_older_layout_is_upgraded(tmp_path: Path) -> None:
    write_golden(Jump(), SPEC, tmp_path)
    write_golden(JumpRenamed(), SPEC, tmp_path)
    check_old_states_load(JumpRenamed(), SPEC, tmp_path, upgrade)


def test_an_older_layout_without_an_upgrade_is_refused(tmp_path: Path) -> None:
    write_golden(Jump(), SPEC, tmp_path)
    with pytest.raises(StateError, match="state has version 1, this run needs 2"):
        check_old_states_load(JumpRenamed(), SPEC, tmp_path)
