"""A threshold that keeps a bound on what is missed, or on false alarms."""

import numpy as np
import pytest

from tocsin.evaluation.risk_control import controlled, for_false_minutes, for_missed_share
from tocsin.pipeline.errors import TocsinError

MINUTE, DAY = 60_000_000_000, 86_400_000_000_000


@pytest.mark.parametrize(("incidents", "risk"), [(19, 0.1), (40, 0.2), (9, 0.1)])
def test_the_bound_holds_over_1000_resamplings(incidents: int, risk: float) -> None:
    rng = np.random.default_rng(incidents)
    missed = []
    for _ in range(1000):
        peaks = np.round(rng.gumbel(size=incidents + 1), 1)  # with ties
        threshold = for_missed_share(peaks[:-1], risk).threshold
        assert threshold is not None
        missed.append(peaks[-1] < threshold)
    assert np.mean(missed) <= risk + 2 * np.sqrt(risk * (1 - risk) / 1000)
    assert np.mean(missed) > risk / 3  # and it is not met by alarming all the time


def test_false_alarm_minutes_are_bounded_over_resamplings() -> None:
    rng = np.random.default_rng(3)
    time = np.arange(20 * 1440) * MINUTE
    lost = []
    for _ in range(60):
        score = rng.exponential(size=21 * 1440)
        found = for_false_minutes(score[:-1440], time, risk=90.0)
        assert found.threshold is not None
        lost.append((score[-1440:] >= found.threshold).sum())
    assert np.mean(lost) <= 90.0
    assert np.mean(lost) > 5


def test_a_risk_that_is_never_violated_gives_the_right_end() -> None:
    losses = np.zeros((9, 5))
    assert controlled(losses, np.arange(5.0), risk=0.2).threshold == 4.0
    assert for_missed_share(np.arange(1.0, 10.0), risk=1.0).threshold == 9.0


def test_a_risk_that_no_threshold_keeps_gives_none() -> None:
    found = for_missed_share(np.arange(5.0), risk=0.1)
    assert found.threshold is None
    assert found.bound == pytest.approx(1 / 6)
    assert np.isnan(found.loss)


def test_the_threshold_is_the_infimum_of_the_definition() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        losses = np.sort(rng.random((8, 12)), axis=1)
        n, risk = len(losses), float(rng.uniform(0.2, 0.9))
        fits = [n / (n + 1) * losses[:, at].mean() + 1 / (n + 1) <= risk for at in range(12)]
        found = controlled(losses, np.arange(12.0), risk).threshold
        assert found == (None if not fits[0] else float(max(np.flatnonzero(fits))))


def test_missing_scores_never_alarm() -> None:
    time = np.arange(2880) * MINUTE
    score = np.where(np.arange(2880) % 2 == 0, np.nan, np.arange(2880.0))
    found = for_false_minutes(score, time, risk=1000.0)
    assert found.cases == 2
    assert found.threshold is not None


@pytest.mark.parametrize(
    ("losses", "thresholds", "said"),
    [
        ([[1.0, 0.0]], [1.0, 2.0], "may not fall"),
        ([[0.0, 2.0]], [1.0, 2.0], "lie from 0"),
        ([[0.0, 1.0]], [1.0], "losses \\(N, L\\)"),
    ],
)
def test_losses_that_are_none_are_refused(losses: list, thresholds: list, said: str) -> None:
    with pytest.raises(TocsinError, match=said):
        controlled(losses, thresholds, 0.5)


def test_peaks_and_times_are_checked() -> None:
    with pytest.raises(TocsinError, match="peaks of incidents"):
        for_missed_share([], 0.1)
    with pytest.raises(TocsinError, match="time for each score"):
        for_false_minutes([1.0], np.arange(2), 0.1)
