"""A scorer in the manner of River: one row at a time, as a dictionary of features."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Scorer, Spec, frames_of


class LearnOne:
    """One series of a scorer, with River's `learn_one` and `score_one`; see `as_river`."""

    def __init__(self, scorer: Scorer[Any], channels: Sequence[str] = ()) -> None:
        self.scorer = scorer
        self.channels = tuple(channels)
        self._state: Any = None
        self._before: FloatArray = np.empty((0, 0))  # (frames - 1, C), oldest first
        self._rows = 0

    def score_one(self, x: Mapping[str, float]) -> float:
        """How strange the row is, higher is stranger; NaN where there is no opinion yet.

        Changes nothing, but for the names of the channels where no row has come before.
        """
        batch = self._batch(x)
        return float(self.scorer.score(self._state, batch).value[0])

    def learn_one(self, x: Mapping[str, float]) -> None:
        """Learn the row, and let it be the newest of the windows to come."""
        batch = self._batch(x)
        self.scorer.learn(self._state, batch)
        self._before = batch.values[0, 1:].copy()
        self._rows += 1

    def _batch(self, x: Mapping[str, float]) -> Batch:
        """The row as the only one of a batch, with the learned rows before it."""
        if self._state is None:
            self._begin(x)
        unknown = [name for name in x if name not in self.channels]
        if unknown:
            raise TocsinError(
                f"the row has {unknown[0]!r}; the channels are {', '.join(self.channels)}"
            )
        row = [float(x.get(name, np.nan)) for name in self.channels]
        window = np.concatenate([self._before, [row]])  # (frames, C)
        none = np.zeros(1, dtype=np.int64)
        return Batch(none, none + self._rows, window[None])

    def _begin(self, x: Mapping[str, float]) -> None:
        channels = self.channels or tuple(x)
        if not channels:
            raise TocsinError("the first row names the channels; it has none")
        frames = frames_of(self.scorer)
        state = self.scorer.start(Spec((len(channels),), frames, channels))
        grow(state, 1)
        self.channels, self._state = channels, state
        self._before = np.full((frames - 1, len(channels)), np.nan)


def as_river(scorer: Scorer[Any], channels: Sequence[str] = ()) -> LearnOne:
    """The scorer as an object with River's `learn_one(x)` and `score_one(x)`; needs no River.

    The channels are `channels`, or the features of the first row; one that a row lacks is missing,
    and one that it adds is refused by a TocsinError. Windows of a detector that looks at several
    rows are of the learned rows and the newest. A score is NaN, not 0, where there is none yet.
    Score first, then learn, as with River's own. Each call costs some tens of microseconds more
    than the detector; blocks of rows are quicker through its `advance`.

    >>> from tocsin.detectors.catalogue import load
    >>> model = as_river(load("ewma")(half_life=3))
    >>> for value in (1.0, 2.0, 1.0, 2.0):
    ...     model.learn_one({"flow": value})
    >>> round(model.score_one({"flow": 4.5}), 2)
    5.92
    """
    return LearnOne(scorer, channels)
