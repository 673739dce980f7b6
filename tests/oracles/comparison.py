"""Comparisons of detectors by the slow and obvious way, and results to compare.

The published example is Table 6 of J. Demšar, 2006, Journal of Machine Learning Research 7: the
area under the ROC curve of four ways to grow a C4.5 tree on 14 data sets. The paper prints three
decimals but ranks two of the trees apart on "voting", where both read 0.975; the fourth decimal
here keeps its ranks.
"""

from itertools import product

import numpy as np
import pandas as pd

from tocsin.evaluation.comparing.comparison import CONTROLS, Comparison, Mode

TREES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def side_by_side(values, names=None, datasets=None, mode: Mode = "causal"):
    """A comparison of an array (S, D), all of one data set unless said otherwise."""
    values = np.asarray(values, dtype=float)
    of = datasets or ["A"] * len(values)
    return Comparison(
        metric="vus_pr",
        mode=mode,
        detectors=tuple(names or [f"d{i}" for i in range(values.shape[1])]),
        series=tuple((dataset, f"s{i}") for i, dataset in enumerate(of)),
        values=values,
        left_out=(),
        missing={},
        absent=(),
    )


def job(dataset, series, detector, value, **other):
    """One row of results."""
    row = {"dataset": dataset, "series": series, "detector": detector, "mode": "causal", "seed": 0}
    return row | {"fitted": "prefix", "error": "", "vus_pr": value} | other


def backtest(extra=("forest", "patches"), datasets=None, modes=("causal",), seed=0):
    """Results of the controls and some more detectors, on data sets given by their sizes."""
    sizes = datasets or {"NAB": 5, "SKAB": 3}
    rng = np.random.default_rng(seed)
    series = [(dataset, f"{dataset}-{i}") for dataset, size in sizes.items() for i in range(size)]
    jobs = [
        job(dataset, name, detector, rng.random(), mode=mode, pate=rng.random())
        for (dataset, name), detector, mode in product(series, (*CONTROLS, *extra), modes)
    ]
    return pd.DataFrame(jobs)


def slow_macro_mean(rows):
    """The mean of data-set means, from (dataset, value) pairs."""
    means = []
    for dataset in sorted({name for name, _ in rows}):
        values = [value for name, value in rows if name == dataset]
        means.append(sum(values) / len(values))
    return sum(means) / len(means)


def slow_interval(rows, draws, level, rng):
    """The bootstrap interval of the macro mean, one drawn series at a time."""
    found = []
    for _ in range(draws):
        drawn = []
        for dataset in sorted({name for name, _ in rows}):
            values = [value for name, value in rows if name == dataset]
            drawn += [(dataset, values[rng.integers(len(values))]) for _ in values]
        found.append(slow_macro_mean(drawn))
    rest = 100 * (1 - level) / 2
    return np.percentile(found, rest), np.percentile(found, 100 - rest)


def slow_ranks(values):
    """Ranks of one row, the highest value first, ties sharing the mean of their places."""
    ranks = []
    for value in values:
        above = sum(other > value for other in values)
        equal = sum(other == value for other in values)
        ranks.append(above + (equal + 1) / 2)
    return ranks


def slow_friedman(average, series):
    """Friedman's chi-squared of average ranks as the paper writes it, which ignores ties."""
    k = len(average)
    squares = sum(rank**2 for rank in average)
    return 12 * series / (k * (k + 1)) * (squares - k * (k + 1) ** 2 / 4)


def tie_factor(values):
    """What divides that statistic to allow for ties."""
    series, k = np.shape(values)
    lost = 0
    for row in values:
        for value in set(row):
            times = list(row).count(value)
            lost += times**3 - times
    return 1 - lost / (series * k * (k**2 - 1))


def slow_signed_rank(differences):
    """The exact two-sided p of the signed-rank test: every choice of signs is tried."""
    absolute = [abs(each) for each in differences]
    ranks = slow_ranks([-each for each in absolute])
    signs = [np.sign(each) for each in differences]
    middle = sum(ranks) / 2

    def plus(chosen):
        shares = {1: 1.0, 0: 0.5, -1: 0.0}
        return sum(rank * shares[int(sign)] for rank, sign in zip(ranks, chosen, strict=True))

    seen = abs(plus(signs) - middle)
    choices = [(1, -1) if sign else (0,) for sign in signs]
    sums = [abs(plus(chosen) - middle) for chosen in product(*choices)]
    return sum(each >= seen - 1e-9 for each in sums) / len(sums)


def slow_holm(p):
    """Holm: the smallest error rate at which the rejection of the ordered tests reaches each."""
    ordered = sorted(p)
    corrected = []
    for value in p:
        place = ordered.index(value)
        candidates = [(len(p) - i) * ordered[i] for i in range(place + 1)]
        corrected.append(min(1.0, max(candidates)))
    return corrected


def slow_groups(names, ranks, distance):
    """Largest runs of names in which the first and the last are less than `distance` apart."""
    runs = [
        tuple(names[i : j + 1])
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if ranks[j] - ranks[i] < distance
    ]
    return tuple(run for run in runs if not any(set(run) < set(other) for other in runs))
