"""The distance of a window from the most similar window of clean training rows."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.gaps import filled
from tocsin.detectors.rows import tidied
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import judged
from tocsin.detectors.windows.profile_kernel import Found, Past, lengths, nearest
from tocsin.detectors.windows.profile_offline import join
from tocsin.detectors.windows.profile_score import Manner, check_manner, judgement, nothing_found
from tocsin.pipeline.types import FloatArray, Scores, Spec, Traits


class ProfileModel(NamedTuple):
    """Training rows without gaps, the lengths of their windows, and each channel's range."""

    past: Past
    low: FloatArray  # (C,)
    high: FloatArray  # (C,)


@dataclass(frozen=True, slots=True)
class MatrixProfile(Trained[ProfileModel]):
    """How unlike every training window a window is: its place in the matrix profile.

    Each channel's window is brought to mean 0 and deviation 1, and compared with every window of
    the training rows, brought to the same; its distance is the Euclidean one to the nearest (the
    AB join of the literature), 0 for an equal shape, sqrt(2 `window`) for an unrelated one. A flat
    window has distance 0 from a flat one and sqrt(`window`) from any other. So far, level and size
    play no part; with `levels`, a value outside the channel's range in training adds sqrt(`window`)
    a range that it lies beyond. The score is the mean over the channels, or over the `largest`.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. `blame` is each value's distance from the nearest window's, and by how many
    ranges it lies outside.

    Finds unusual shapes and lost rhythm in series that repeat themselves. Misses levels, sizes and
    noise within the range, and faults that the training rows hold once.

    Offline, a row has the mean over the windows that cover it. Against a history, the distance is
    that to the nearest of its windows; without one, to the nearest other window of the series, more
    than a quarter of a window away. Long series need stumpy.

    Cost a row: `memory` T C multiplications, side by side. Memory a key: 8 x `memory` x C bytes,
    and twice that for the model. Shift and scale leave the scores alone.

    References: Yeh and others, Matrix profile I: all pairs similarity joins for time series, 2016,
    doi:10.1109/ICDM.2016.0179; Law, STUMPY, 2019, doi:10.21105/joss.01504, for the offline form.

    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> scorer = MatrixProfile(window=16)
    >>> model = scorer.model(wave[:300, None])
    >>> windows = np.stack([wave[310:326], wave[310:342:2]])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [0.2, 4.2]
    """

    window: int = 32
    largest: int = 0
    levels: bool = True

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))

    def check(self) -> None:
        super(MatrixProfile, self).check()
        check_manner(self.window, self.largest)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> ProfileModel:
        whole = np.ascontiguousarray(filled(rows[None], np.zeros(rows.shape[1]))[0].T)  # (C, N)
        since, seam = np.arange(1, len(rows) + 1), np.isnan(rows).all(axis=1)
        broken = since - np.maximum.accumulate(np.where(seam, since, 0))
        inverse = lengths(whole, broken, self.frames)
        missing = np.isnan(rows).all(axis=0)
        inverse[missing] = np.nan  # nothing is known of a channel that was never there
        ends = (np.where(missing, np.nan, end) for end in (whole.min(axis=1), whole.max(axis=1)))
        return ProfileModel(Past(whole, inverse), *ends)

    def measure(self, model: ProfileModel, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        shapes = filled(windows[ready], model.low)
        found = nothing_found(shapes.shape)
        nearest(shapes, model.past, found)
        reach = np.broadcast_to(model.low, found.reach.shape)
        top = np.broadcast_to(model.high, found.top.shape)
        known = Found(found.distance, reach, top, found.parts)
        value[ready], blame[ready] = judgement(
            windows[ready], known, Manner(self.largest, self.levels)
        )
        return value, blame

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """Scores (N,) of a whole series (N, C): the mean over the windows that cover a row."""
        manner = Manner(self.largest, self.levels)
        return join(tidied(history), tidied(series), self.frames, manner)
