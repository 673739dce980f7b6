"""The distance of a window's signature from the nearest ordinary ones, in the variance norm."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from tocsin.detectors.rows import need
from tocsin.detectors.signature import learning
from tocsin.detectors.signature.learning import SignatureState
from tocsin.detectors.signature.model import Recipe
from tocsin.detectors.signature.offline import offline
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec, Traits


@dataclass(frozen=True, slots=True)
class SignatureKnn:
    """How far the shape of the last rows is from all shapes the series has shown before.

    The score is the variance norm of the difference between the window's signature and that of the
    nearest ordinary window, of which `corpus` are kept so that they cover all that were seen; it is
    in units of the median of what training windows score when each is left out with all that
    overlap it, so that 1 is usual in every series. With `neighbours` k it is the k-th nearest.

    Each window of `frames` rows is a path: in robust units of its channel, then after the
    augmentations `augment` (by default lead-lag, for how rough it is, time, for when things happen,
    and a start at the origin, for its level). What describes it is the richest signature of at most
    `coordinates` numbers: of all channels together to level 3 or 2, their log-signature, or, where
    there are many channels, that of each channel by itself; `depth` fixes the level (0 leaves it).
    The coordinates' correlation R is shrunk to (1 - s) R + s I, with s the `shrinkage` or, where n
    training windows are few for D coordinates, D / (D + n). So a move in a direction that never
    varied counts for up to 1 / sqrt(s) units, finite and in order, where the definition says
    infinity; `variance_norm` has that one too.

    A series is learned from its first `train` rows, or by `fit` from its history, and then stays as
    it is. The share `trim` of the training windows that lies farthest from their medians is set
    aside, since clean history seldom is clean.

    `blame` is of the newest frame: each channel's part of the distance, which is split by the words
    of the signature in equal parts among the channels in them; the squares sum to the score's.

    Finds shapes that are new: spikes, level shifts, drifts, bursts of variance, broken correlation,
    events that come in another order. Misses what is longer than a window and slow, what happened
    in training, and with many channels what only their interplay shows.

    NaN and infinities are missing: a hole in the window is bridged by a straight line, at its ends
    the value is held, and a channel without any stands at its median. The score is NaN while
    learning, and where the newest frame has no value. A channel that stood still in training counts
    as 1 unit away wherever it moves, since there is no unit to measure by.

    Cost a row: about 4 `frames` d**m + D (D + `corpus`) multiplications for d augmented channels.
    Memory a key: 8 (C `train` + D (D + `corpus` + 1)) bytes and a little, with D of 36 for one
    channel and at most `coordinates` for any but hundreds. Shift and scale leave the scores alone.

    References: Shao, Chan, Cochrane, Foster and Lyons, Dimensionless anomaly detection on
    multivariate streams with variance norm and path signature, 2020, arXiv:2006.03487; the
    choice of the corpus is that of Gonzalez, Clustering to minimize the maximum intercluster
    distance, 1985, doi:10.1016/0304-3975(85)90224-5.

    >>> import numpy as np
    >>> scorer = SignatureKnn(frames=4, train=40, corpus=16)
    >>> series = np.sin(np.arange(60.0))[:, None]
    >>> series[55] = 3.0
    >>> scores = scorer.offline(Spec((1,)), series[:40], series[40:])
    >>> int(scores.value.argmax())
    15
    """

    frames: int = 32
    train: int = 512
    augment: tuple[str, ...] = ("lead_lag", "time", "basepoint")
    depth: int = 0
    coordinates: int = 96
    shrinkage: float = 0.01
    trim: float = 0.05
    corpus: int = 256
    neighbours: int = 1

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"spike", "level_shift", "variance_burst", "drift", "broken_correlation"})
    )
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        learning.check(self._recipe())
        need(self.corpus >= 1, "corpus", "1 row or more", self.corpus)
        usable = 1 <= self.neighbours <= self.corpus
        need(usable, "neighbours", f"1 to the corpus's {self.corpus}", self.neighbours)

    @property
    def warmup(self) -> int:
        return self.train

    def start(self, spec: Spec) -> SignatureState:
        return learning.start(self._recipe(), spec)

    def score(self, state: SignatureState, batch: Batch) -> Scores:
        return learning.score(self._recipe(), state, batch)

    def learn(self, state: SignatureState, batch: Batch) -> None:
        learning.learn(self._recipe(), state, batch)

    def advance(self, state: SignatureState, batch: Batch) -> Scores:
        return learning.advance(self._recipe(), state, batch)

    def fit(self, spec: Spec, batches: Iterable[Batch]) -> SignatureState:
        return learning.fit(self._recipe(), spec, batches)

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        return offline(self._recipe(), spec, history, series)

    def _recipe(self) -> Recipe:
        return Recipe(
            self.frames,
            self.train,
            self.augment,
            self.depth,
            self.coordinates,
            self.shrinkage,
            self.trim,
            self.corpus,
            self.neighbours,
        )
