"""Whether a higher score means a worse fault: agreement between scores and ordinal severity.

Cao et al. (2024), "Are Anomaly Scores Telling the Whole Story?", arXiv:2411.14515; the rank
correlation is that of Kendall (1945), 10.1093/biomet/33.3.239. All cost O(n log n).
"""

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluation.metrics.checked import column
from tocsin.evaluation.metrics.compiled import compiled
from tocsin.evaluation.metrics.ranking import auc_roc
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray


class _Pairs(NamedTuple):
    """Pairs of rows with different severity, by what their scores say."""

    right: int
    tied: int
    wrong: int


def concordance(severity: ArrayLike, scores: ArrayLike, *, anomalous_only: bool = False) -> float:
    """The chance that the worse of two rows has the higher score; ties count half.

    `severity` (N,) is 0 for normal rows and higher for worse ones, scores (N,) higher where
    stranger. Over all pairs of different severity, or with `anomalous_only` over the pairs above 0,
    which tell whether severity is graded at all: most other pairs are anomalous against normal.
    Rewards an order like that of the severities. Gamed, without `anomalous_only`, by any good
    detector that knows no severity; and scores that saturate, such as tail probabilities, must
    fail. A constant score gets 0.500, a random one 0.503. NaN, or fewer than two severities, are a
    TocsinError.

    >>> concordance([0, 1, 2, 3], [0.1, 0.3, 0.2, 0.9])
    0.8333333333333334
    """
    levels, found = _graded(severity, scores, anomalous_only=anomalous_only)
    pairs = _pairs(levels, found)
    return (pairs.right + 0.5 * pairs.tied) / (pairs.right + pairs.tied + pairs.wrong)


def tau_b(severity: ArrayLike, scores: ArrayLike, *, anomalous_only: bool = False) -> float:
    """Kendall's tau-b between severities and scores, -1 to 1; 0 for a constant score.

    As `concordance`, but rows of equal severity also count where their scores differ, so with few
    levels and distinct scores 1 cannot be reached. A constant score gets 0.000, a random one 0.002.

    >>> round(tau_b([0, 1, 2, 3], [0.1, 0.3, 0.2, 0.9]), 4)
    0.6667
    """
    levels, found = _graded(severity, scores, anomalous_only=anomalous_only)
    pairs = _pairs(levels, found)
    unequal = pairs.right + pairs.tied + pairs.wrong
    different = len(found) * (len(found) - 1) // 2 - _equal_pairs(found)
    if not different:
        return 0.0
    return (pairs.right - pairs.wrong) / (sqrt(unequal) * sqrt(different))


def level_auc_roc(severity: ArrayLike, scores: ArrayLike) -> dict[float, float]:
    """AUC-ROC of each severity above 0 against the normal rows, from the mildest to the worst.

    Rewards finding the mild faults as well as the severe ones; as for `auc_roc`, a constant score
    gets 0.500 at each. NaN, no normal row, or no anomalous one, are a TocsinError.

    >>> level_auc_roc([0, 0, 1, 2], [0.1, 0.5, 0.4, 0.9])
    {1.0: 0.5, 2.0: 1.0}
    """
    levels, found = _graded(severity, scores, anomalous_only=False)
    normal = levels == 0
    if not normal.any():
        raise TocsinError("severity: no row is 0, so there is nothing normal to compare with")
    parts = ((level, levels == level) for level in np.unique(levels[~normal]).tolist())
    return {level: auc_roc(part[part | normal], found[part | normal]) for level, part in parts}


def _graded(
    severity: ArrayLike, scores: ArrayLike, *, anomalous_only: bool
) -> tuple[FloatArray, FloatArray]:
    levels, found = column("severity", severity), column("scores", scores)
    if levels.shape != found.shape:
        raise TocsinError(f"severity has {len(levels)} rows, scores {len(found)}")
    odd = np.flatnonzero(~(np.isfinite(levels) & (levels >= 0)))
    if odd.size:
        raise TocsinError(f"severity: row {odd[0]} is {levels[odd[0]]}, wanted 0 or more")
    holes = np.flatnonzero(np.isnan(found))
    if holes.size:
        raise TocsinError(f"scores: row {holes[0]} is NaN, and {holes.size - 1} more")
    if anomalous_only:
        levels, found = levels[levels > 0], found[levels > 0]
    if len(np.unique(levels)) < 2:
        what = "among anomalous rows" if anomalous_only else "in all"
        raise TocsinError(f"severity: fewer than two different values {what}; two are wanted")
    return levels, found


def _equal_pairs(values: FloatArray) -> int:
    """Pairs of rows with the same value."""
    counts = np.unique(values, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _pairs(levels: FloatArray, found: FloatArray) -> _Pairs:
    ranks = np.unique(found, return_inverse=True)[1]
    order = np.argsort(levels, kind="stable")
    starts = np.concatenate(([0], np.flatnonzero(np.diff(levels[order])) + 1, [len(order)]))
    right, tied, every = _count(ranks[order], starts)
    return _Pairs(int(right), int(tied), int(every - right - tied))


@compiled
def _up_to(tree: IntArray, rank: int) -> int:
    """How many ranks up to `rank` the binary indexed tree holds."""
    total, i = 0, rank + 1
    while i > 0:
        total += tree[i]
        i -= i & -i
    return total


@compiled
def _count(ranks: IntArray, starts: IntArray) -> tuple[int, int, int]:
    """Right, tied and all pairs of rows of different levels; levels start at `starts`."""
    tree = np.zeros(ranks.max() + 2, dtype=np.int64)
    right, tied, every = 0, 0, 0
    for k in range(len(starts) - 1):
        for t in range(starts[k], starts[k + 1]):
            below = _up_to(tree, ranks[t] - 1)
            right += below
            tied += _up_to(tree, ranks[t]) - below
            every += starts[k]
        for t in range(starts[k], starts[k + 1]):
            i = ranks[t] + 1
            while i < len(tree):
                tree[i] += 1
                i += i & -i
    return right, tied, every
