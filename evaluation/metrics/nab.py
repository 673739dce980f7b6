"""The NAB score: early alarms inside labelled windows against weighted false alarms.

Lavin, Ahmad (2015), "Evaluating Real-Time Anomaly Detection Algorithms: the Numenta Anomaly
Benchmark", ICMLA, 10.1109/ICMLA.2015.141, arXiv:1510.03336. One threshold is swept over all files
together: O(n log n) for n rows in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.evaluation.metrics.checked import column
from tocsin.evaluation.metrics.compiled import compiled
from tocsin.evaluation.metrics.ranking import falling_order
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

_PROBATION_SHARE = 0.15
_PROBATION_ROWS = 750  # the most
_FAR = 3.0  # window widths after a window, beyond which a false alarm costs all


@dataclass(frozen=True, slots=True)
class Profile:
    """What a true positive earns, and what a false positive and a missed window cost."""

    hit: float
    false: float
    miss: float


STANDARD = Profile(1.0, 0.11, 1.0)
LOW_FALSE_POSITIVES = Profile(1.0, 0.22, 1.0)
LOW_FALSE_NEGATIVES = Profile(1.0, 0.11, 2.0)


@dataclass(frozen=True, slots=True)
class NabFile:
    """One series: its scores (N,), and windows (K, 2) of first and last row, in order."""

    scores: FloatArray
    windows: IntArray

    def __post_init__(self) -> None:
        windows = self.windows
        if windows.ndim != 2 or windows.shape[1] != 2 or np.isnan(self.scores).any():
            raise TocsinError(
                f"a file needs scores (N,) without NaN and windows (K, 2); found {windows.shape}"
            )
        edges = windows.ravel()
        falls = (np.diff(edges) < np.resize([0, 1], max(0, len(edges) - 1))).any()
        if len(edges) and (falls or edges[0] < 0 or edges[-1] >= len(self.scores)):
            raise TocsinError(
                f"windows {windows.tolist()} must be in order, apart, and within the "
                f"{len(self.scores)} rows"
            )


@dataclass(frozen=True, slots=True)
class NabScore:
    """The score, 100 for perfect and 0 for no alarm at all, its raw sum, and the threshold.

    `threshold` is None where it is best never to alarm.
    """

    score: float
    raw: float
    threshold: float | None


def nab_score(files: Sequence[NabFile], profile: Profile = STANDARD) -> NabScore:
    """The NAB score of a corpus at the best threshold for all its files: an oracle.

    Each window earns by its earliest alarm, from 1 at its first row to almost 0 at its last; each
    alarming row outside costs, the more the further it is after a window. The first 15 % of rows,
    750 at most, are left out. Rewards early alarms. Gamed by the wide windows, a tenth of the rows:
    a threshold tuned on the labels and a few spread-out alarms earn a good part of the score. A
    constant score gets 0.000, a random one 20.738. No file, or no window, is a TocsinError.

    >>> scores = np.zeros(100)
    >>> scores[60] = 1.0
    >>> nab_score([NabFile(scores, np.array([[60, 69]]))]).score
    100.0
    """
    values, windows, found, count = _joined(files, profile)
    order, ends = falling_order(found)
    null = -profile.miss * count
    raw, best = _sweep(values[order], windows[order], ends, (count, profile.miss))
    threshold = float(found[order[best]]) if best >= 0 else None
    return NabScore(100.0 * (raw - null) / (profile.hit * count - null), raw, threshold)


def nab_at(files: Sequence[NabFile], threshold: float, profile: Profile = STANDARD) -> NabScore:
    """The NAB score at a given threshold, the same for all files; rows at it alarm.

    >>> scores = np.zeros(100)
    >>> nab_at([NabFile(scores, np.array([[60, 69]]))], threshold=1.0).score
    0.0
    """
    values, windows, found, count = _joined(files, profile)
    raised = found >= threshold
    outside = raised & (windows < 0)
    best = np.full(count, -profile.miss)
    hit = raised & (windows >= 0)
    struck = np.full(count, -np.inf)
    np.maximum.at(struck, windows[hit], values[hit])
    raw = float(np.where(np.isfinite(struck), struck, best).sum() + values[outside].sum())
    null = -profile.miss * count
    return NabScore(100.0 * (raw - null) / (profile.hit * count - null), raw, threshold)


def row_values(rows: int, windows: IntArray, profile: Profile = STANDARD) -> FloatArray:
    """What an alarm in each row (N,) is worth, before the best of each window is taken.

    >>> row_values(6, np.array([[2, 3]])).round(3).tolist()
    [-0.11, -0.11, 1.0, 0.86, -0.109, -0.11]
    """
    row = np.arange(rows)
    before = np.searchsorted(windows[:, 0], row, side="right") - 1  # window that began last
    values = np.full(rows, -profile.false)
    known = before >= 0
    first, last = windows[before[known], 0], windows[before[known], 1]
    width = last - first + 1
    inside = row[known] <= last
    # A window of one row has no width to measure a distance in: all after it is far.
    late = (row[known] - last) / np.maximum(width - 1, 0.25)
    values[known] = np.where(
        inside,
        profile.hit * _sigmoid(-(last - row[known] + 1) / width) / _sigmoid(np.array(-1.0)),
        profile.false * _sigmoid(late),
    )
    return values


def _sigmoid(place: FloatArray) -> FloatArray:
    """1 far before a window's end, 0 at it, -1 well after it."""
    near = np.minimum(place, _FAR)
    return np.where(place > _FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * near)) - 1.0)


def _joined(
    files: Sequence[NabFile], profile: Profile
) -> tuple[FloatArray, IntArray, FloatArray, int]:
    """Worth, window (-1 outside) and score of every row that counts, and how many windows."""
    worth, owners, scores, count = [], [], [], 0
    for number, file in enumerate(files):
        found = column(f"scores of file {number}", file.scores)
        row = np.arange(len(found))
        owner = np.searchsorted(file.windows[:, 0], row, side="right") - 1
        outside = (owner < 0) | (row > np.append(file.windows[:, 1], -1)[owner])
        counts = row >= min(int(_PROBATION_SHARE * len(found)), _PROBATION_ROWS)
        worth.append(row_values(len(found), file.windows, profile)[counts])
        owners.append(np.where(outside, -1, owner + count)[counts])
        scores.append(found[counts])
        count += len(file.windows)
    if not count:
        raise TocsinError(f"{len(files)} files hold no window; at least one is wanted")
    return np.concatenate(worth), np.concatenate(owners), np.concatenate(scores), count


@compiled
def _sweep(
    values: FloatArray, windows: IntArray, ends: IntArray, missed: tuple[int, float]
) -> tuple[float, int]:
    """The best raw sum and the last place that alarms for it, -1 for none; highest score first.

    `ends` are the places where rows of equal score end; `missed` is the number of windows and the
    cost of missing one.
    """
    struck = np.full(missed[0], -np.inf)
    raw = -missed[0] * missed[1]
    best, at, i = raw, -1, 0
    for end in ends:
        for j in range(i, end + 1):
            window = windows[j]
            if window < 0:
                raw += values[j]
            elif values[j] > struck[window]:
                raw += values[j] - (struck[window] if struck[window] > -np.inf else -missed[1])
                struck[window] = values[j]
        i = end + 1
        if raw > best:
            best, at = raw, end
    return best, at
