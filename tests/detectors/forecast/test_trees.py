"""The tree forecast: what it keeps as a scorer, and what it finds."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.detectors import trained
from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.detectors.trained import training_windows
from tocsin.detectors.windows.autoregression import AutoregressionResidual
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.state import Header, save, settings_of
from tocsin.pipeline.types import Batch, FloatArray, Spec

SMALL = TreeForecast(
    train=60, memory=200, lags=(1, 2), widths=(3,), horizons=(1, 3), folds=2, rounds=8, depth=2
)
QUICK = TreeForecast(
    lags=(1, 2, 3, 6), widths=(6,), horizons=(1,), folds=2, rounds=40, depth=3, rate=0.2
)
FORMS = [
    SMALL,
    replace(SMALL, joint=True, moving=True),
    replace(SMALL, quantiles=True),
    replace(SMALL, horizons=(1, 0), covariates=(1,), covariate_lags=(0, 2)),
    replace(SMALL, covariates=(0,), given=False),
]


@pytest.mark.parametrize(
    "check", cases([Subject(replace(SMALL, quantiles=True), Spec((2,), window=8))])
)
def test_tree_forecast_keeps_the_promise(check: Callable[[], None]) -> None:
    check()


def kept(values: float, keeps: float, rng: np.random.Generator, rows: int) -> FloatArray:
    """A walk (rows,) that is drawn back to 0, of the given spread."""
    found, level = np.empty(rows), 0.0
    for row, step in enumerate(rng.normal(size=rows).tolist()):
        level = keeps * level + np.sqrt(1 - keeps**2) * step
        found[row] = values * level
    return found


def coupled(rows: int, seed: int = 0) -> FloatArray:
    """A channel that follows a covariate, and the covariate: (rows, 2)."""
    rng = np.random.default_rng(seed)
    outside = kept(1.0, 0.98, rng, rows)
    return np.stack([2 * np.tanh(outside) + kept(0.5, 0.8, rng, rows), outside], axis=1)


def stream(values: FloatArray, frames: int) -> Batch:
    windows = training_windows(values, frames)
    time = np.arange(len(windows))
    return Batch(np.zeros(len(windows), dtype=np.int64), time, windows)


def judged(
    scorer: TreeForecast | AutoregressionResidual, rows: FloatArray, train: int
) -> FloatArray:
    """Scores of the rows after the first `train`, which the scorer is trained on."""
    model: Any = scorer.model(rows[:train])
    windows = training_windows(rows[train - scorer.frames + 1 :], scorer.frames)
    return scorer.measure(model, windows)[0]


@pytest.mark.parametrize("scorer", FORMS, ids=range(len(FORMS)))
def test_a_row_scores_the_same_alone_and_in_any_company(scorer: TreeForecast) -> None:
    rows = coupled(260)
    model = scorer.model(rows[:150])
    windows = training_windows(rows[150:], scorer.frames)
    windows[::7, 2, 0] = np.nan
    value, blame = scorer.measure(model, windows)
    order = np.random.default_rng(0).permutation(len(windows))
    mixed = scorer.measure(model, windows[order])
    alone = [scorer.measure(model, windows[i : i + 1]) for i in range(len(windows))]
    assert not np.isnan(value).any()
    assert value[order].tobytes() == mixed[0].tobytes()
    assert blame[order].tobytes() == mixed[1].tobytes()
    assert value.tobytes() == np.concatenate([one[0] for one in alone]).tobytes()


@pytest.mark.parametrize("scorer", FORMS, ids=range(len(FORMS)))
def test_a_refit_on_the_same_rows_gives_the_same_bits(scorer: TreeForecast) -> None:
    rows = coupled(200)
    spec, batch = Spec((2,), window=scorer.frames), stream(rows, scorer.frames)
    state = scorer.fit(spec, [batch])
    before = scorer.score(state, batch).value
    trained._MODELS.clear()
    again = scorer.score(scorer.fit(spec, [batch]), batch).value
    assert before.tobytes() == again.tobytes()


def test_a_score_does_not_depend_on_what_follows() -> None:
    rows = coupled(200)
    other = np.concatenate((rows[:150], 100 * coupled(50, seed=1)))
    spec, scores = Spec((2,), window=SMALL.frames), []
    for values in (rows, other):
        state = SMALL.fit(spec, [stream(rows[:100], SMALL.frames)])
        scores.append(SMALL.advance(state, stream(values[100:], SMALL.frames)).value)
    until = 50 - SMALL.frames + 1
    assert scores[0][:until].tobytes() == scores[1][:until].tobytes()
    assert scores[0].tobytes() != scores[1].tobytes()


_ELSEWHERE = """
import sys
from pathlib import Path
import numpy as np
from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import Header, load, settings_of
from tocsin.pipeline.types import Batch, Spec
assert "shap" not in sys.modules
scorer = TreeForecast({settings})
state = scorer.start(Spec((2,), window=scorer.frames))
grow(state, 1)
folder = Path({folder!r})
state = load(folder / "state", Header("trees", 1, settings_of(scorer)), state)
windows = np.load(folder / "windows.npy")
batch = Batch(np.zeros(len(windows), dtype=np.int64), np.arange(len(windows)), windows)
print(scorer.score(state, batch).value.tobytes().hex())
"""


def test_another_process_that_loads_the_state_scores_the_same(tmp_path: Path) -> None:
    rows = coupled(160)
    batch = stream(rows, SMALL.frames)
    state = SMALL.fit(Spec((2,), window=SMALL.frames), [batch])
    save(tmp_path / "state", Header("trees", 1, settings_of(SMALL)), state)
    np.save(tmp_path / "windows.npy", batch.values)
    settings = repr(SMALL).removeprefix("TreeForecast(").removesuffix(")")
    script = _ELSEWHERE.format(settings=settings, folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    assert bytes.fromhex(done.stdout.strip()) == SMALL.score(state, batch).value.tobytes()


_BARE = """
import sys
import tocsin.detectors.catalogue as catalogue
sys.modules["xgboost"] = None
entry = catalogue.Entry("t", "tocsin.detectors.forecast.trees:TreeForecast", "", extra="trees")
catalogue.CATALOGUE["t"] = entry
try:
    catalogue.load("t")
except catalogue.ConfigError as error:
    print(error)
"""


def test_without_xgboost_the_error_names_the_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BARE], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "detector 't' needs xgboost: pip install 'tocsin[trees]'"


def test_the_loss_falls_and_the_rounds_with_the_least_are_kept() -> None:
    model = QUICK.model(coupled(600))
    for head in model.heads[0]:
        assert (head.loss > 0).all()
        assert (np.diff(head.loss[:5]) < 0).all()
        assert head.trees is not None
        assert len(head.trees.root) == head.held.argmin() + 1


def test_a_rule_that_is_not_linear_is_learned() -> None:
    rng = np.random.default_rng(0)
    rows = np.full((1300, 1), 0.3)
    for i in range(1, len(rows)):
        rows[i] = 3.9 * rows[i - 1] * (1 - rows[i - 1])
    wrong = np.zeros(300, dtype=np.bool_)
    wrong[rng.choice(300, 20, replace=False)] = True
    rows[1000:][wrong] = 1.0 - rows[1000:][wrong]
    after = np.concatenate(([False], wrong[:-1])) & ~wrong
    area = []
    for scorer in (replace(QUICK, lags=(1,), widths=()), AutoregressionResidual(lags=2)):
        score = judged(scorer, rows, 1000)
        pairs = score[wrong][:, None] - score[~wrong & ~after][None]
        area.append((pairs > 0).mean())
    assert area[0] > 0.85
    assert area[0] > area[1] + 0.1


def test_a_fault_that_lasts_stays_found_by_covariates_alone() -> None:
    rows = coupled(2000)
    rows[1500:1700, 0] += 2.0 * rows[:1000, 0].std()
    recall = {}
    for horizons in ((1,), (1, 12, 0)):
        scorer = replace(QUICK, horizons=horizons, covariates=(1,), given=False)
        score = judged(scorer, rows, 1000)
        recall[horizons] = (score[500:700] > np.quantile(score[:450], 0.99)).mean()
    assert recall[1, 12, 0] > 0.85
    assert recall[1, 12, 0] > recall[1,] + 0.3


def test_a_covariate_is_never_judged_or_blamed() -> None:
    rows = coupled(700)
    scorer = replace(QUICK, covariates=(1,), given=False)
    model = scorer.model(rows[:600])
    windows = training_windows(rows[600:], scorer.frames)
    wild = windows.copy()
    wild[:, :, 1] = 1e3
    assert scorer.measure(model, wild)[0].tobytes() == scorer.measure(model, windows)[0].tobytes()
    assert not scorer.measure(model, wild)[1][:, :, 1].any()


def test_the_blame_is_on_the_channel_and_row_at_fault() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([kept(1.0, 0.9, rng, 700) for _ in range(3)], axis=1)
    model = QUICK.model(rows[:600])
    windows = training_windows(rows[600:], QUICK.frames)[:1]
    windows[0, -1, 2] += 6.0
    value, blame = QUICK.measure(model, windows)
    assert np.unravel_index(blame[0].argmax(), blame[0].shape) == (QUICK.frames - 1, 2)
    assert value[0] == blame[0].max() > 4


def test_a_missing_newest_value_leaves_the_other_channels_an_opinion() -> None:
    rows = np.stack([coupled(700)[:, 0], coupled(700, seed=1)[:, 0]], axis=1)
    model = QUICK.model(rows[:600])
    windows = training_windows(rows[600:], QUICK.frames)
    whole, holed = windows.copy(), windows.copy()
    holed[:, -1, 0] = np.nan
    told = QUICK.residuals(model, holed)
    assert np.isnan(told[:, :, 0]).all()
    assert told[:, :, 1].tobytes() == QUICK.residuals(model, whole)[:, :, 1].tobytes()
    holed[:, -1] = np.nan
    assert np.isnan(QUICK.measure(model, holed)[0]).all()


def test_a_spike_on_a_drift_is_found_where_channels_are_read_as_moving() -> None:
    rows = coupled(1400)[:, :1] + np.linspace(0, 20, 1400)[:, None]
    rows[1300] += 3.0
    at = 300  # among the rows that are judged
    share = {}
    for moving in (False, True):
        score = judged(replace(QUICK, moving=moving), rows, 1000)
        share[moving] = score[at] / np.quantile(score[:at], 0.99)
    assert share[True] > 2 > share[False]


@pytest.mark.parametrize("quantiles", [False, True])
def test_the_band_is_told_in_units_of_the_input(*, quantiles: bool) -> None:
    rows = 300.0 + 10.0 * coupled(1600)
    scorer = replace(QUICK, quantiles=quantiles)
    band = scorer.band(scorer.model(rows[:1000]), training_windows(rows[1000:], scorer.frames))
    newest = rows[1000 + scorer.frames - 1 :]
    inside = np.abs(newest - band.expected) < 1.645 * band.usual
    assert 0.75 < inside[:, 0].mean() < 0.97


def test_a_channel_without_training_values_has_no_opinion() -> None:
    rows = coupled(300)
    rows[:, 1] = np.nan
    model = QUICK.model(rows)
    windows = training_windows(coupled(60, seed=1), QUICK.frames)
    value, blame = QUICK.measure(model, windows)
    assert not np.isnan(value).any()
    assert not blame[:, :, 1].any()


@pytest.mark.parametrize("scorer", FORMS)
def test_training_rows_without_a_whole_window_give_no_opinion(scorer: TreeForecast) -> None:
    model = scorer.model(np.full((30, 2), np.nan))
    value, _ = scorer.measure(model, np.zeros((4, scorer.frames, 2)))
    assert np.isnan(value).all()


def test_offline_a_fault_stands_out_in_its_rows_and_channel() -> None:
    rows = np.stack([coupled(900, seed)[:, 0] for seed in (0, 1)], axis=1)
    rows[700:704, 1] += np.array([5.0, -5.0, 4.0, -6.0])
    scorer = replace(QUICK, rounds=20)
    found = scorer.offline(Spec((2,)), rows[:500], rows[500:])
    assert found.blame is not None
    assert 190 < found.value.argmax() < 214
    assert found.blame[found.value.argmax()].argmax() == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"lags": ()}, "lags"),
        ({"lags": (0, 1)}, "lags"),
        ({"lags": (2, 2)}, "lags"),
        ({"widths": (1,)}, "widths"),
        ({"horizons": (-1,)}, "horizons"),
        ({"horizons": (0, 1)}, "horizon of 0 needs covariates"),
        ({"covariate_lags": ()}, "covariate_lags"),
        ({"covariates": (-1,)}, "covariates"),
        ({"covariates": (1, 1)}, "covariates"),
        ({"folds": 1}, "folds"),
        ({"rounds": 0}, "rounds"),
        ({"train": 10}, "train"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        TreeForecast(**settings)


@pytest.mark.parametrize(("covariates", "message"), [((2,), "below 2"), ((0, 1), "one must be")])
def test_covariates_must_leave_a_channel(covariates: tuple[int, ...], message: str) -> None:
    scorer = replace(SMALL, covariates=covariates)
    with pytest.raises(ConfigError, match=message):
        scorer.start(Spec((2,), window=scorer.frames))
