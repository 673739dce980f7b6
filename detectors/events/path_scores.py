"""How unlikely the path is that a state took lately, whatever the path's length."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.events.codes import MISSING, Codebook, codebook, shares
from tocsin.detectors.events.lengths import Normaliser, normaliser
from tocsin.detectors.rows import need
from tocsin.detectors.trained import Trained, training_windows
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray, Traits


class PathModel(NamedTuple):
    """The walk on the codes, and how its paths of each length usually score."""

    book: Codebook
    walk: "Walk"
    usual: Normaliser


class Walk(NamedTuple):
    """Transitions seen in training, each as from * V + to in order, and how they are weighed."""

    step: IntArray  # (S,)
    seen: FloatArray  # (S,) how often each was seen
    left: FloatArray  # (V,) how often each code was left
    share: FloatArray  # (V,) of its channel's rows
    restart: float


@dataclass(frozen=True, slots=True)
class PathScores(Trained[PathModel | None]):
    """How unlikely the path is that each channel's code took within the last `window` rows.

    Channels hold codes of states: numbers that are compared for equality and nothing else. Rows
    with the same code in a row are one visit, and the visits of a window are a path. Training
    counts transitions; a walk on them goes from a code to the next as often as was seen, and with
    the weight of `restart` transitions starts afresh at a code by its share of rows. A path's
    strangeness is -log of its chance under this walk; for a path of the training, each step is
    judged without itself. Longer paths are less likely by themselves, so that strangeness is made
    comparable by a Box-Cox transformation for each length, fitted to be as normal as can be, and
    counted in standard deviations from the mean of its length. The score is that of the strangest
    channel. Missing codes are passed over; a window without any code has no opinion.

    `blame` parts a channel's score, where it is above 0, among its steps by their own -log chance,
    at the frame that each step leads to.

    Finds transitions that are rare or new, unseen codes, and sequences of steps that are each a
    little unusual. Misses how long a state lasts, transitions that are ordinary but come too often,
    and codes of two channels that do not go together. Numbers that are measured and not codes are
    nearly all unseen, and tell nothing.

    Cost a row: `window` x C look-ups. Memory a key: 8 x `memory` x C bytes, and 16 for each
    transition.

    References: Dong and others, GID: graph-based intrusion detection on massive process traces for
    enterprise security systems, 2016, arXiv:1608.02639; Box and Cox, An analysis of
    transformations, 1964, doi:10.1111/j.2517-6161.1964.tb00553.x.

    >>> rng = np.random.default_rng(0)
    >>> state = np.cumsum(rng.random(600) < 0.3) % 4  # 0, 1, 2, 3 and again, at any pace
    >>> scorer = PathScores(window=8)
    >>> model = scorer.model(state[:, None].astype(float))
    >>> usual, leap, unseen = [0, 0, 1, 1, 1, 2, 3, 3], [0, 0, 1, 1, 3, 3, 3, 0], [5] * 8
    >>> windows = np.array([usual, leap, unseen], dtype=float)[:, :, None]
    >>> (scorer.measure(model, windows)[0] > 3).tolist()
    [False, True, True]
    """

    window: int = 16
    restart: float = 1.0

    traits: ClassVar[Traits] = Traits(shift_free=False, scale_free=False)

    def check(self) -> None:
        super(PathScores, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(0 < self.restart < np.inf, "restart", "a positive number", self.restart)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> PathModel | None:
        windows = training_windows(rows, self.frames)
        if not len(windows):
            return None
        book = codebook(rows)
        walk = self._walk(book.numbered(rows), book)
        strangeness, visits, _ = _walked(book.numbered(windows), walk, 1.0)
        return PathModel(book, walk, normaliser(strangeness, visits, self.frames))

    def measure(
        self, model: PathModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        if model is None:
            return np.full(len(windows), np.nan), np.zeros(windows.shape)
        strangeness, visits, parts = _walked(model.book.numbered(windows), model.walk, 0.0)
        away = model.usual.normalised(strangeness, visits)  # (B, C)
        value = np.fmax.reduce(away, axis=1)
        above = np.fmax(away, 0.0) / np.where(visits > 0, strangeness, 1.0)
        return value, parts * above[:, None]

    def _walk(self, numbers: IntArray, book: Codebook) -> Walk:
        """The walk that numbered rows (N, C) took."""
        total = int(book.first[-1])
        start, stop = _steps(numbers, (numbers == MISSING).all(axis=1))
        step, count = np.unique(start * total + stop, return_counts=True)
        left = np.bincount(start, minlength=total).astype(np.float64)
        return Walk(step, count.astype(np.float64), left, shares(numbers, book), self.restart)


def _steps(numbers: IntArray, seam: BoolArray) -> tuple[IntArray, IntArray]:
    """From and to of each transition in rows (N, C); seams (N,) part stretches."""
    start, stop = [], []
    stretch = np.cumsum(seam)
    for column in numbers.T:
        there = np.flatnonzero(column != MISSING)
        code, part = column[there], stretch[there]
        moved = (code[1:] != code[:-1]) & (part[1:] == part[:-1])
        start.append(code[:-1][moved])
        stop.append(code[1:][moved])
    return np.concatenate(start), np.concatenate(stop)


@compiled
def _walked(numbers: IntArray, walk: Walk, own: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Strangeness (B, C) and visits (B, C) of paths (B, T, C), and what each frame adds.

    `own` of each step is left out of the counts: 1 where the paths are those that were counted.
    """
    rows, frames, width = numbers.shape
    total, visits = np.zeros((rows, width)), np.zeros((rows, width), dtype=np.int64)
    parts = np.zeros(numbers.shape)
    for b in range(rows):
        for c in range(width):
            last = -1
            for t in range(frames):
                code = numbers[b, t, c]
                if code < 0 or code == last:
                    continue
                chance = walk.share[code] if last < 0 else _chance(walk, last, code, own)
                parts[b, t, c] = -np.log(chance)
                total[b, c] += parts[b, t, c]
                visits[b, c] += 1
                last = code
    return total, visits, parts


@compiled
def _chance(walk: Walk, start: int, stop: int, own: float) -> float:
    step = start * len(walk.share) + stop
    place = np.searchsorted(walk.step, step)
    seen = 0.0
    if place < len(walk.step) and walk.step[place] == step:
        seen = walk.seen[place] - own
    fresh = walk.restart * walk.share[stop]
    return float((seen + fresh) / (walk.left[start] - own + walk.restart))
