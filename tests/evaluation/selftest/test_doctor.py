"""The doctor finds on rows that are all there what the self-tests find live."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles.selftest_play import SECOND, Constant, chain_of, clean

from tocsin.detectors.classical.ewma import Ewma
from tocsin.evaluation.selftest.doctor import Arrived, Diagnosis, Visit, doctor
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.order import Order
from tocsin.pipeline.selftest.faults import KINDS
from tocsin.pipeline.selftest.settings import SelfTest

TEST = SelfTest(rows=48, trials=20)


def rows(ticks: int = 500, names: str = "ab") -> Arrived:
    """Clean rows of a few series, a tick a second."""
    values = clean(ticks * len(names))
    return list(names) * ticks, SECOND * np.repeat(np.arange(ticks), len(names)), values


def diagnosed(scorer: Any, arrived: Arrived | None = None, **stages: Any) -> Diagnosis:
    return doctor(chain_of(scorer, **stages), arrived or rows(), TEST, visit=Visit(rounds=2))


def test_healthy_detector_is_healthy_in_every_series() -> None:
    found = diagnosed(Ewma(half_life=40))
    assert [(one.series, one.state, one.rounds) for one in found.patients] == [
        ("a", "healthy", 2),
        ("b", "healthy", 2),
    ]
    assert (found.state, found.blind, found.left_out) == ("healthy", (), 0)


def test_broken_detector_is_blind() -> None:
    found = diagnosed(Constant())
    assert (found.state, found.blind) == ("blind", ("a", "b"))
    assert found.patients[0].blind == 2
    assert "0 of 20" in found.patients[0].why


def test_known_faults_are_counted_over_all_rounds() -> None:
    kinds = {kind: counts for kind, *counts in diagnosed(Ewma(half_life=40)).kinds()}
    assert list(kinds) == list(KINDS)
    assert kinds["spike"][:2] == [8, 8]
    assert all(tested >= seen for tested, seen, _ in kinds.values())


def test_too_few_rows_tell_nothing() -> None:
    found = diagnosed(Ewma(half_life=40), rows(90))
    assert found.state == "unknown"
    assert "enough rows" in found.patients[0].why


def test_only_the_series_with_most_rows_are_examined() -> None:
    series, time, values = rows(300, "abc")
    kept = np.flatnonzero((np.array(series) != "a") | (np.arange(len(series)) % 2 == 0))
    fewer = [series[row] for row in kept.tolist()], time[kept], values[kept]
    found = doctor(chain_of(Ewma(half_life=20)), fewer, TEST, visit=Visit(1, series=2))
    assert [one.series for one in found.patients] == ["b", "c"]
    assert found.left_out == 1


def test_rows_out_of_order_are_examined_in_order() -> None:
    series, time, values = rows()
    swapped = np.arange(len(series)).reshape(-1, 4)[:, [2, 3, 0, 1]].ravel()
    mixed = [series[row] for row in swapped.tolist()], time[swapped], values[swapped]
    order = Order(lateness_ns=5 * SECOND)
    assert repr(diagnosed(Ewma(half_life=40), mixed, order=order)) == repr(
        diagnosed(Ewma(half_life=40))
    )


def test_rows_on_a_grid_are_examined_on_the_grid() -> None:
    found = diagnosed(Ewma(half_life=20), rows(1000), grid=Grid(2 * SECOND))
    assert found.state == "healthy"


def test_tables_tell_each_series_and_kind() -> None:
    found = diagnosed(Constant())
    series, faults = found.tables()
    assert [row[:3] for row in series.rows] == [
        ("a", "blind", "0 of 40"),
        ("b", "blind", "0 of 40"),
    ]
    assert [row[0] for row in faults.rows] == [kind.replace("_", " ") for kind in KINDS]
    assert "more" in replace(found, left_out=3).tables()[0].note


def test_progress_counts_every_row() -> None:
    done: list[int] = []
    doctor(chain_of(Ewma()), rows(), TEST, visit=Visit(2), progress=done.append)
    assert sum(done) == 1000


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError):
        Visit(rounds=0)
