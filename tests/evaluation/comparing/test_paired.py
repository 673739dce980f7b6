import numpy as np
import pytest
from oracles.comparison import AUC, TREES, side_by_side, slow_holm, slow_signed_rank
from scipy.stats import norm

from tocsin.evaluation.comparing.averages import averages
from tocsin.evaluation.comparing.paired import against, holm, signed_rank
from tocsin.pipeline.errors import TocsinError


def test_the_published_signed_rank_example_has_its_verdict():
    # The paper: R+ = 93, R- = 12 over 14 data sets; below the critical value of 21 at 0.05.
    duel = against(side_by_side(AUC, TREES), "C4.5")[0]
    assert (duel.detector, duel.wins, duel.ties, duel.losses) == ("C4.5+m", 10, 2, 2)
    z = (93 - 52.5) / np.sqrt(14 * 15 * 29 / 24)
    assert duel.p == pytest.approx(2 * norm.sf(z), abs=1e-4)


def test_holm_corrects_the_published_p_values_as_by_hand():
    # The paper's Table of Holm: 0.016, 0.019 and 0.607 against 0.05 / 3, 0.05 / 2 and 0.05.
    assert holm([0.607, 0.019, 0.016]) == pytest.approx([0.607, 0.048, 0.048])


def test_holm_never_passes_one_and_takes_no_tests():
    assert holm([0.9, 0.8, 0.7]) == [1.0, 1.0, 1.0]
    assert holm([]) == []


def test_holm_is_the_slow_one():
    rng = np.random.default_rng(1)
    for count in range(1, 9):
        p = rng.random(count) ** 3
        assert holm(p.tolist()) == pytest.approx(slow_holm(p.tolist()))


@pytest.mark.parametrize("seed", range(6))
def test_the_signed_rank_test_is_exact_on_few_series(seed):
    rng = np.random.default_rng(seed)
    differences = np.round(rng.normal(0.2, 1.0, 10), seed % 2)  # every other one with ties
    assert signed_rank(differences) == pytest.approx(slow_signed_rank(differences.tolist()))


def test_no_difference_at_all_speaks_for_neither():
    assert signed_rank(np.zeros(5)) == 1.0


def test_noise_in_the_last_digit_is_a_tie():
    (duel,) = against(side_by_side([[0.3, 0.1 + 0.2], [0.5, 0.5]]), "d0")
    assert (duel.wins, duel.ties, duel.losses, duel.p) == (0, 2, 0, 1.0)


def test_the_difference_is_that_of_the_macro_means():
    datasets = ["A"] * 6 + ["B"] * 2
    comparison = side_by_side(np.random.default_rng(2).random((8, 3)), datasets=datasets)
    macro = {each.detector: each.macro for each in averages(comparison)}
    for duel in against(comparison, "d1"):
        assert duel.difference == pytest.approx(macro[duel.detector] - macro["d1"], abs=1e-8)
        assert duel.low <= duel.difference <= duel.high


def test_the_interval_is_of_the_pairs_and_so_narrow_where_they_agree():
    level = np.linspace(0, 1, 30)
    noise = np.random.default_rng(3).normal(0, 0.01, 30)
    (duel,) = against(side_by_side(np.column_stack([level, level + 0.05 + noise])), "d0")
    assert 0.04 < duel.low < 0.05 < duel.high < 0.06
    assert (duel.wins, duel.p < 1e-6) == (30, True)


def test_the_baseline_is_not_held_against_itself():
    names = [duel.detector for duel in against(side_by_side(AUC, TREES), "C4.5+cf")]
    assert names == ["C4.5", "C4.5+m", "C4.5+m+cf"]


def test_p_values_are_corrected_for_all_detectors_tested():
    duels = against(side_by_side(AUC, TREES), "C4.5")
    assert [duel.p_holm for duel in duels] == pytest.approx(slow_holm([duel.p for duel in duels]))


def test_lower_can_be_the_win():
    values = [[10.0, 1.0], [10.0, 20.0], [10.0, 2.0]]
    (duel,) = against(side_by_side(values), "d0", lower_is_better=True)
    assert (duel.wins, duel.losses) == (2, 1)


def test_a_baseline_alone_has_nobody_to_meet():
    assert against(side_by_side([[0.5], [0.6]]), "d0") == ()


def test_no_common_series_is_an_error_and_so_is_an_unknown_baseline():
    with pytest.raises(TocsinError, match="no series that all detectors have"):
        against(side_by_side(np.empty((0, 2))), "d0")
    with pytest.raises(TocsinError, match="'best' is not among"):
        against(side_by_side(AUC, TREES), "best")
