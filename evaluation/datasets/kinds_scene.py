"""What a series is like before anything is wrong with it, and whether a change to it can be seen.

A change counts as visible only if it shows, within its stretch, something that the clean series
shows nowhere else: an error against its rhythm, a jump, a texture, or values that stand still.
"""

from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_SHORTEST = 6  # rows; the shortest rhythm, and the shortest stretch that has a texture
_PEAK = 0.4  # autocorrelation that a rhythm has at its period
_DIP = 0.3  # how far the autocorrelation falls before it comes back
_LEAST = 0.05  # of the series' spread; a smaller change is none
_MORE = 1.1  # times the most seen in the clean series is something new
_LESS = 0.8  # times the least seen in the clean series is something new
_STILL = 0.25  # share of rows more than in the clean series that repeat the row before


@dataclass(frozen=True, slots=True)
class Scene:
    """One clean series (T,) as the anomaly kinds see it.

    `expected` (T,) is what its rhythm, or a line where it has none, gives for each row; `period`
    is in rows, 0 without a rhythm. `spread` is the size of its ordinary swings and `noise` the
    typical error of `expected`, both positive. `donor` (T,) is some other series.
    """

    clean: FloatArray
    expected: FloatArray
    period: int
    spread: float
    noise: float
    donor: FloatArray

    @property
    def unit(self) -> float:
        """The size that a change is counted in: the noise, but at least a tenth of the spread."""
        return max(self.noise, 0.1 * self.spread)


def scenes(series: FloatArray, donors: FloatArray) -> list[Scene]:
    """A scene for each clean series (S, T); `donors` has the same shape."""
    period = rhythms(series)
    expected = _expectations(series, period)
    swing = np.quantile(series, 0.95, axis=1) - np.quantile(series, 0.05, axis=1)
    spread = np.maximum(swing / 3.3, 0.3 * series.std(axis=1))
    # A series that never moves has no size of its own; its level, or 1, stands in.
    still = spread <= 1e-9 * (1.0 + np.abs(series).max(axis=1))
    spread = np.where(still, 0.1 * np.abs(series[:, 0]) + 0.1, spread)
    error = np.abs(series - expected)
    noise = np.maximum(1.48 * np.median(error, axis=1), 0.25 * np.sqrt((error**2).mean(axis=1)))
    noise = np.maximum(noise, 1e-6 * spread)
    return [
        Scene(*parts)
        for parts in zip(
            series, expected, period.tolist(), spread.tolist(), noise.tolist(), donors, strict=True
        )
    ]


def rhythms(series: FloatArray) -> IntArray:
    """The period in rows of each series (S, T), 0 for one without a rhythm.

    It is the first high peak of the autocorrelation, up to a third of the series, after a dip.
    """
    count, length = series.shape
    longest = length // 3
    periods = np.zeros(count, dtype=np.int64)
    if longest <= _SHORTEST + 1:
        return periods
    off = series - _lines(series)
    power = np.abs(np.fft.rfft(off, 2 * length, axis=1)) ** 2
    overlap = 1.0 - np.arange(longest + 1) / length
    like = np.fft.irfft(power, axis=1)[:, : longest + 1] / overlap  # (S, longest + 1)
    like = like / np.where(like[:, :1] > 0.0, like[:, :1], 1.0)
    inner = like[:, 1:-1]
    peak = (inner >= like[:, :-2]) & (inner >= like[:, 2:]) & (inner > _PEAK)
    peak &= inner - np.minimum.accumulate(like, axis=1)[:, 1:-1] > _DIP
    peak[:, : _SHORTEST - 1] = False
    height = np.where(peak, inner, 0.0)
    first = (height >= 0.9 * height.max(axis=1, keepdims=True)) & peak
    found = first.any(axis=1)
    periods[found] = first[found].argmax(axis=1) + 1
    return periods


def visible(scene: Scene, altered: FloatArray, first: int, last: int) -> bool:
    """Whether `altered` (T,) shows, in the rows `first` to `last`, what is new to the series."""
    stretch = slice(first, last + 1)
    change = altered[stretch] - scene.clean[stretch]
    moved = change[change != 0.0]
    if not moved.size or np.sqrt((moved**2).mean()) < _LEAST * scene.spread:
        return False
    rows = last - first + 1
    clean_error, error = scene.clean - scene.expected, altered - scene.expected
    if _rms(error[stretch]) > _MORE * _sliding(clean_error, rows).max():
        return True
    clean_step, step = np.diff(scene.clean), np.diff(altered)
    around = step[max(first - 1, 0) : last + 1]  # with the jumps at both ends
    if around.max() > _MORE * max(clean_step.max(), 0.0) + _LEAST * scene.spread:
        return True
    if around.min() < _MORE * min(clean_step.min(), 0.0) - _LEAST * scene.spread:
        return True
    return rows >= _SHORTEST and _texture_is_new(scene, step[first:last], clean_step)


def _texture_is_new(scene: Scene, inside: FloatArray, clean_step: FloatArray) -> bool:
    """Whether the steps within a stretch are larger, smaller or more often none than elsewhere."""
    usual = _sliding(clean_step, len(inside))
    size = _rms(inside)
    if size > _MORE * usual.max() or size < _LESS * usual.min():
        return True
    nothing = 1e-9 * scene.spread
    still = _sliding(_is_small(clean_step, nothing).astype(np.float64), len(inside)) ** 2
    return bool(_is_small(inside, nothing).mean() > still.max() + _STILL)


def _is_small(step: FloatArray, nothing: float) -> BoolArray:
    return np.abs(step) <= nothing


def _expectations(series: FloatArray, period: IntArray) -> FloatArray:
    """What each row (S, T) should be: the mean of a period before and after, or a line."""
    expected = _lines(series)
    rows = np.flatnonzero(period)
    if rows.size:
        length = series.shape[1]
        when, turn = np.arange(length), period[rows, None]  # (T,) and (R, 1)
        before = np.where(when >= turn, when - turn, when + turn)
        after = np.where(when + turn < length, when + turn, when - turn)
        own = series[rows]
        early = np.take_along_axis(own, before, axis=1)
        expected[rows] = 0.5 * (early + np.take_along_axis(own, after, axis=1))
    return expected


def _lines(series: FloatArray) -> FloatArray:
    """The straight line of least squares through each series (S, T)."""
    when = np.linspace(-1.0, 1.0, series.shape[1])
    middle = series.mean(axis=1, keepdims=True)
    slope = ((series - middle) * when).sum(axis=1, keepdims=True) / (when**2).sum()
    line: FloatArray = middle + slope * when
    return line


def _rms(part: FloatArray) -> float:
    return float(np.sqrt((part**2).mean()))


def _sliding(part: FloatArray, rows: int) -> FloatArray:
    """The root mean square of every stretch of `rows` rows."""
    total = np.cumsum(np.concatenate(([0.0], part**2)))
    sums = total[rows:] - total[:-rows] if rows <= len(part) else total[-1:]
    means: FloatArray = np.maximum(sums, 0.0) / min(rows, len(part))
    return np.sqrt(means)
