"""The zero-shot detector, tuned on the clean history of the series that it judges."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.detectors.context.examples import Form
from tocsin.detectors.context.reading import (
    check_reading,
    logits_by,
    newest,
    offline_scores,
    rows_read,
    softened,
    together,
)
from tocsin.detectors.context.tuning import FEWEST, Lessons, Tuned, tune, untuned
from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.rows import need, tidied
from tocsin.detectors.trained import Trained, TrainingState
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

_TUNED = -1  # instead of the rows that a series in training had


@dataclass(frozen=True, slots=True)
class RcdTuned(Trained[Tuned]):
    """How badly the newest row fits its context, by `rcd`'s encoder tuned on the clean history.

    Scores, windows and scales, missing values and channels that never move are as `rcd` has them.
    Once `train` clean rows have come in, or from the history that it is fitted on, the last two
    blocks of the encoder and what follows them go on learning for `steps` steps: on `batch` windows
    a step, cut out of those rows at each of `scales`, into two thirds of which an anomaly is
    planted: a spike, another level, noise, a stuck, swollen, displaced or paced stretch. So it
    learns what is ordinary in this series. `rate` is Adam's at its highest.

    The newest quarter of the rows is held out. If the loss on planted windows of that quarter is
    not lower after the tuning than before, the weights that come along are kept; and so they are
    where there are under 128 rows, and where no channel moves. A series that is not tuned yet is
    scored with them too, from its row `window` on, so that scores may change in level at the row
    that ends the training.

    Finds what `rcd` finds. Misses what lasts longer than the window, correlation that breaks while
    each channel stays as it was, and anomalies of which the history is full, as they are taught to
    be ordinary. A channel whose newest value is missing has no opinion; the score is NaN where no
    channel has one. `blame` is each channel's log(1 + exp(logit)) on the newest row.

    `offline` is tuned on the history; without one it scores with the weights as they come, as what
    is to be judged is not known to be clean.

    Tuning is a pure function of rows and settings: about 7 s at the defaults on one core, when the
    first row after the training is scored, and once more after a restart; in `Refitted` it is made
    beside the run. On another `device`, "cuda" or "cuda:1", the same seed has weights of its own,
    and the encoder reads there too, as that of `rcd`. Cost a row and channel: as `rcd`, but series
    do not share a pass. Memory a key: 8 x `memory` x C bytes, 2 MB of weights, and the windows.
    Shift and scale leave the scores alone.

    Reference: as for `rcd`, the idea of learning from context-dependent labels is from Lan and
    others, 2025, arXiv:2509.21190; going on with planted anomalies on clean windows of the series
    is after Jeong and others, AnomalyBERT, 2023, arXiv:2305.04468. The kinds, what goes on learning
    and the held-out quarter are ours.

    >>> scorer = RcdTuned(window=128, scales=(1,), wide=256, wide_scales=(1, 2), steps=2)
    >>> series = np.sin(np.arange(400) / 5.0)[:, None]
    >>> series[300] = 3.0
    >>> scores = scorer.offline(Spec((1,)), series[:200], series[200:])
    >>> int(np.argmax(scores.value))
    100
    """

    train: int = 2000
    memory: int = 10_000
    window: int = 256
    scales: tuple[int, ...] = (1, 4)
    wide: int = 1024
    wide_scales: tuple[int, ...] = (1, 2, 4, 8, 16)
    weights: str = ""
    steps: int = 200
    batch: int = 16
    rate: float = 2e-4
    seed: int = 0
    device: str = CPU

    traits: ClassVar[Traits] = Traits(stochastic=True, detects=frozenset({"spike"}), research=True)

    def check(self) -> None:
        check_reading(self)
        need(self.train >= FEWEST, "train", f"{FEWEST} or more", self.train)
        room = max(self.train, self.frames) + self.frames
        need(self.memory >= room, "memory", f"{room} or more, train and a window", self.memory)
        for name in ("steps", "batch"):
            need(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        need(self.seed >= 0, "seed", "0 or more", self.seed)
        need(0 < self.rate < 1, "rate", "above 0 and under 1", self.rate)

    @property
    def warmup(self) -> int:
        return self.window - 1

    @property
    def frames(self) -> int:
        return rows_read(self)

    def start(self, spec: Spec) -> TrainingState:
        torch_device(self.device)  # refused here, not after the first training rows
        return super(RcdTuned, self).start(spec)

    def model(self, rows: FloatArray) -> Tuned:
        return tune(rows, self._lessons("live"), self.weights)

    def _lessons(self, form: Form) -> Lessons:
        return Lessons(
            steps=self.steps,
            rate=self.rate,
            batch=self.batch,
            seed=self.seed,
            window=self.window,
            scales=tuple(sorted(self.scales)),
            device=self.device,
            form=form,
        )

    def measure(self, model: Tuned, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows, frames, width = windows.shape
        series = np.ascontiguousarray(windows.transpose(0, 2, 1)).reshape(rows * width, frames)
        found = newest(series, self.window, self.scales, logits_by(model.encoder))
        logit = found.reshape(rows, width)
        blame = np.zeros(windows.shape)
        blame[:, -1] = softened(logit)
        return together(logit), blame

    def score(self, state: TrainingState, batch: Batch) -> Scores:
        windows = self._windows(state, batch)
        return self._judged(state, batch, windows, _seen_untuned(state, batch.key))

    def advance(self, state: TrainingState, batch: Batch) -> Scores:
        """As `score` and `learn` tick by tick; the encoder looks at all rows at once."""
        windows = self._windows(state, batch)
        seen = np.full(len(batch), _TUNED)
        for row in np.flatnonzero(state.mark[batch.key] == 0).tolist():
            key = int(batch.key[row])
            if not state.mark[key]:
                seen[row] = state.seen[key]
                self._keep(state, key, windows[row])
        return self._judged(state, batch, windows, seen)

    def fit(self, spec: Spec, batches: Iterable[Batch]) -> TrainingState:
        """The state tuned on clean history; series with under 128 rows of it stay in training."""
        state = super(RcdTuned, self).fit(spec, batches)
        for key in np.flatnonzero((state.mark == 0) & (state.used >= FEWEST)).tolist():
            self._finish(state, key)
        return state

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        lessons = self._lessons("offline")
        encoder = tune(tidied(history), lessons, self.weights).encoder
        return offline_scores(self, encoder, history, series)

    def model_of(self, rows: FloatArray) -> Tuned:
        """The model that `fit` makes of rows (N, C); remembered if there are two windows' rows."""
        found = super(RcdTuned, self).model_of(rows)
        return self.model(rows) if found is None else found

    def _judged(
        self, state: TrainingState, batch: Batch, windows: FloatArray, seen: IntArray
    ) -> Scores:
        """Scores of rows whose series had `seen` (B,) rows, or was tuned."""
        value, blame = np.full(len(batch), np.nan), np.zeros(batch.values.shape)
        as_it_came = [np.flatnonzero(seen >= self.warmup)]
        parts: list[tuple[Tuned, IntArray]] = []
        for key in np.unique(batch.key[seen == _TUNED]).tolist():
            mine = np.flatnonzero((seen == _TUNED) & (batch.key == key))
            model = self._model_of(state, key)
            if model.weights:
                parts.append((model, mine))
            else:
                as_it_came.append(mine)  # such series share the passes of the encoder
        parts.append((untuned(self.weights, "live", self.device), np.concatenate(as_it_came)))
        for model, mine in parts:
            if mine.size:
                value[mine], blame[mine, -self.frames :] = self.measure(model, windows[mine])
        return Scores(value, blame)

    def _run(self) -> int:
        return 2 * self.frames


def _seen_untuned(state: TrainingState, key: IntArray) -> IntArray:
    """Rows (B,) that each key's series had, as long as it is not tuned."""
    return np.where(state.mark[key] == 0, state.seen[key], _TUNED)
