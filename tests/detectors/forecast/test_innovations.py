"""What all recursive forecasters keep: the clock, gaps, limits, and the promises of a scorer."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.forecast_recursion import residuals, scores, variances

from tocsin.detectors.forecast.innovations import Form
from tocsin.detectors.forecast.period import period_of
from tocsin.detectors.forecast.smoothing import Smoothing
from tocsin.detectors.forecast.state_space import StateSpace
from tocsin.detectors.forecast.stl import StlResidual
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import Header, load, same, save, settings_of
from tocsin.pipeline.types import Batch, FloatArray, Spec

SECOND = 10**9
TRAINED = [
    Smoothing(train=60, period=12, trend="damped"),
    StateSpace(train=60, lags=0, harmonics=1, period=12),
    StlResidual(train=60),
]
NAMES = [type(scorer).__name__ for scorer in TRAINED]


def cycles(rows: int, seed: int = 0, period: int = 12) -> FloatArray:
    """Two channels (N, 2) with a daily rhythm and a little noise, in different units."""
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * np.arange(rows) / period)[:, None] + 0.1 * rng.normal(size=(rows, 2))
    return wave * [1.0, 50.0] + [3.0, -7.0]


def batch(rows: FloatArray, first: int = 0) -> Batch:
    """One key's rows (N, C), a second apart, from row `first` on."""
    time = (first + np.arange(len(rows))) * SECOND
    return Batch(np.zeros(len(rows), dtype=np.int64), time, rows[:, None])


def trained(scorer: Any, rows: FloatArray) -> Any:
    """The state of one key that has learned the rows."""
    state = scorer.start(Spec((rows.shape[1],)))
    grow(state, 1)
    scorer.advance(state, batch(rows))
    return state


@pytest.mark.parametrize("check", cases(Subject(scorer, Spec((2,))) for scorer in TRAINED))
def test_recursive_forecaster_keeps_the_promise(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES)
def test_what_follows_a_row_leaves_its_score_alone(scorer: Any) -> None:
    rows = cycles(200)
    other = rows.copy()
    other[150:] = np.random.default_rng(1).normal(0, 1e3, (50, 2))
    found = [scorer.advance(trained(scorer, rows[:20]), batch(each, 20)) for each in (rows, other)]
    assert np.isfinite(found[0].value[100:150]).all()
    assert found[0].value[:150].tobytes() == found[1].value[:150].tobytes()


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES)
def test_scores_are_those_of_the_slow_recursion(scorer: Any) -> None:
    rows = cycles(120)
    state = trained(scorer, rows[:100])
    for steps in (1, 2, 9):
        one = batch(rows[100 + steps - 1 : 100 + steps] + 0.3, 100 + steps - 1)
        wanted = scores(state, 0, one.values[0, 0], steps)
        found = scorer.score(state, one)
        assert found.blame is not None
        np.testing.assert_allclose(found.blame[0, 0], wanted, rtol=1e-9)
        assert found.value[0] == found.blame.max()


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES)
def test_the_season_keeps_its_place_while_nothing_is_learned(scorer: Any) -> None:
    rows = cycles(400)
    state = trained(scorer, rows[:180])
    later = batch(rows[180:300], 180)
    frozen = scorer.score(state, later).value
    assert np.median(frozen) < 2
    odd = batch(np.roll(rows, 6, axis=0)[180:300], 180)  # half a cycle out of place
    assert np.median(scorer.score(state, odd).value) > 3 * np.median(frozen)


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES)
def test_rows_left_out_are_rows_without_values(scorer: Any) -> None:
    rows = cycles(200)
    holes = rows.copy()
    holes[100:107] = np.nan
    one, other = trained(scorer, rows[:100]), trained(scorer, rows[:100])
    scorer.advance(one, batch(holes[100:107], 100))
    with_nan = scorer.advance(one, batch(rows[107:140], 107)).value
    without = scorer.advance(other, batch(rows[107:140], 107)).value
    np.testing.assert_allclose(with_nan, without, rtol=1e-9)


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES)
def test_one_wild_value_leaves_the_scores_after_it_ordinary(scorer: Any) -> None:
    rows = cycles(200)
    wild = rows.copy()
    wild[120] += [1000.0, 0.0]
    found = scorer.advance(trained(scorer, wild[:110]), batch(wild[110:], 110)).value
    assert found[10] > 1000
    assert found[12:].max() < 12


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES)
def test_a_clock_that_goes_back_counts_one_step(scorer: Any) -> None:
    rows = cycles(120)
    state = trained(scorer, rows[:100])
    ahead = scorer.score(state, batch(rows[100:101], 100)).value
    back = scorer.score(state, batch(rows[100:101], 5)).value
    assert ahead == back


def test_history_trains_on_its_newest_rows() -> None:
    scorer = TRAINED[0]
    rows = cycles(160)
    spec = Spec((2,))
    whole = scorer.fit(spec, [batch(rows[:70]), batch(rows[70:], 70)])
    newest = scorer.fit(spec, [batch(rows[100:], 100)])
    assert same(whole, newest)
    assert whole.place[0] == 0


def test_a_short_history_goes_on_training() -> None:
    scorer = TRAINED[2]
    rows = cycles(100)
    state = scorer.fit(Spec((2,)), [batch(rows[:15])])
    grow(state, 1)
    found = scorer.advance(state, batch(rows[15:], 15)).value
    assert np.isnan(found[:45]).all()
    assert np.isfinite(found[45:]).all()


def test_a_channel_of_few_values_has_no_opinion() -> None:
    rows = cycles(120)
    rows[5:, 1] = np.nan
    rows[100, 1] = 1e9
    scorer = TRAINED[0]
    state = trained(scorer, rows[:100])
    found = scorer.score(state, batch(rows[100:101], 100))
    assert found.blame is not None
    assert found.blame[0, 0, 1] == 0
    assert found.value[0] < 10


def form(period: int) -> Form:
    """A damped trend with a season of that period."""
    season = np.random.default_rng(0).normal(size=period)
    transition = np.array([[1.0, 0.9], [0.0, 0.9]])
    return Form(
        transition, np.array([1.0, 0.9]), np.array([0.3, 0.1]), np.array([0.5, 0.2]), season, 0.2
    )


@pytest.mark.parametrize("period", [1, 7])
def test_residuals_are_those_of_the_slow_recursion(period: int) -> None:
    series = np.random.default_rng(1).normal(size=60)
    series[20:24] = np.nan
    wanted = residuals(form(period), series)
    np.testing.assert_allclose(TRAINED[0].residuals(form(period), series), wanted, rtol=1e-9)


def test_variances_of_the_oracle_are_those_of_drawn_series() -> None:
    steps, draws = 5, 4000
    shocks = np.random.default_rng(2).normal(size=(draws, steps))
    ends = []
    for drawn in shocks:
        one = form(3)
        hidden, season, value = one.hidden.copy(), one.season.copy(), 0.0
        for t in range(steps):
            value = one.output @ hidden + season[t % 3] + drawn[t]
            hidden = one.transition @ hidden + one.gain * drawn[t]
            season[t % 3] += one.season_gain * drawn[t]
        ends.append(value)
    assert np.var(ends) == pytest.approx(variances(form(3), steps)[-1], rel=0.1)


@pytest.mark.parametrize("period", [2, 7, 24, 48])
def test_the_period_of_a_noisy_cycle_is_found(period: int) -> None:
    rng = np.random.default_rng(period)
    shape = rng.normal(size=period)
    series = np.resize(shape, 400) + 0.3 * rng.normal(size=400)
    series[rng.random(len(series)) < 0.1] = np.nan
    assert period_of(series, 3 * period) == period


@pytest.mark.parametrize("seed", range(5))
def test_a_random_walk_has_no_period(seed: int) -> None:
    assert period_of(np.cumsum(np.random.default_rng(seed).normal(size=1000)), 300) == 1


def test_a_state_of_another_process_gives_the_same_scores(tmp_path: Path) -> None:
    rows = cycles(150)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from tocsin.detectors.forecast.smoothing import Smoothing\n"
        "from tocsin.pipeline.state import Header, load, settings_of\n"
        "from tocsin.pipeline.types import Batch, Spec\n"
        "scorer = Smoothing(train=60, period=12, trend='damped')\n"
        "head = Header('Smoothing', 1, settings_of(scorer))\n"
        "folder = Path(sys.argv[1])\n"
        "state = load(folder / 'state.zip', head, scorer.start(Spec((2,))))\n"
        "rows = np.load(folder / 'rows.npy')\n"
        "time = (100 + np.arange(len(rows))) * 10**9\n"
        "batch = Batch(np.zeros(len(rows), dtype=np.int64), time, rows[:, None])\n"
        "print(scorer.advance(state, batch).value.tobytes().hex())\n"
    )
    scorer = TRAINED[0]
    state = trained(scorer, rows[:100])
    save(tmp_path / "state.zip", Header("Smoothing", 1, settings_of(scorer)), state)
    np.save(tmp_path / "rows.npy", rows[100:])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    wanted = scorer.advance(state, batch(rows[100:], 100)).value
    assert done.stdout.strip() == wanted.tobytes().hex()


def test_a_state_saved_while_training_trains_on(tmp_path: Path) -> None:
    scorer, rows = TRAINED[1], cycles(100)
    head = Header("StateSpace", 1, settings_of(scorer))
    state = trained(scorer, rows[:40])
    save(tmp_path / "state.zip", head, state)
    restored = load(tmp_path / "state.zip", head, scorer.start(Spec((2,))))
    wanted = scorer.advance(state, batch(rows[40:], 40)).value
    assert scorer.advance(restored, batch(rows[40:], 40)).value.tobytes() == wanted.tobytes()
    assert np.isfinite(wanted[20:]).all()


@pytest.mark.parametrize(
    ("changed", "setting"),
    [({"train": 10}, "train"), ({"period": 31}, "period"), ({"limit": 0.0}, "limit")],
)
def test_a_setting_that_cannot_be_is_refused(changed: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        replace(TRAINED[0], **changed)
