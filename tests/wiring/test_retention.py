"""A history in which series come and go, judged with those forgotten that went."""

from dataclasses import replace

import numpy as np
import pytest

from tocsin.config import Stages
from tocsin.detectors.classical.ewma import Ewma
from tocsin.history.judging import Judged, Rows, judge
from tocsin.history.learning import learn
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.retention import Retention

MINUTE = 60_000_000_000
STAGES = Stages(Ewma(), retention=Retention(80 * MINUTE))


def shifts(count: int = 12, length: int = 400) -> Rows:
    """One series that stays, and one after another that lives for a while; a row a minute each."""
    time = np.arange(count * length // 2 + length)
    parts = [("ever", time)]
    parts += [(f"run{n}", np.arange(length) + n * length // 2) for n in range(count)]
    series = [name for name, when in parts for _ in when]
    ticks = np.concatenate([when for _, when in parts])
    values = np.random.default_rng(0).normal(size=(len(ticks), 1))
    return Rows(series, ticks * MINUTE, values, ("x",))


def alone(found: Judged, rows: Rows, name: str) -> list[np.ndarray]:
    mine = [row for row, series in enumerate(rows.series) if series == name]
    return [column[mine] for column in (found.score, found.alarm)]


@pytest.mark.parametrize("grid", [None, Grid(2 * MINUTE)])
def test_each_row_has_the_verdict_of_its_own_series(grid: Grid | None) -> None:
    rows = shifts()
    found = judge(replace(STAGES, grid=grid), rows)
    kept = judge(replace(STAGES, grid=grid, retention=None), rows)
    assert not found.refused.any()
    for name in dict.fromkeys(rows.series):
        score, _ = alone(found, rows, name)
        np.testing.assert_array_equal(score, alone(kept, rows, name)[0])
        assert np.isfinite(score).sum() > 250
    assert {each.series for each in found.incidents} <= set(rows.series)


def test_what_was_learned_of_a_series_is_forgotten_if_it_does_not_come_back() -> None:
    rows = shifts()
    past = rows.time < 500 * MINUTE
    history, rest = rows.take(np.flatnonzero(past)), rows.take(np.flatnonzero(~past))
    stages = replace(STAGES, max_series=6)
    trained = learn(stages, history, follows=True)
    assert trained.state.keys.names == ["ever", "run0", "run1", "run2"]
    found = judge(stages, rest, trained)
    assert not found.refused.any()
    assert judge(replace(stages, retention=None), rest, trained).refused.any()
