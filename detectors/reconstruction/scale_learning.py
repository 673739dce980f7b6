"""How badly a network can tell from a row how much of the row it was shown."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.reconstruction.scale_learning_kernel import (
    DIVERGENCES,
    Divergence,
    ScaleWeights,
    described,
    judge,
)
from tocsin.detectors.reconstruction.scale_learning_training import Lessons, train
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained, TrainingState
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Spec, Traits

_FEWEST = 2  # training windows
_LEAST = 1e-6  # usual divergence; what is less counts as this


class ScaleModel(NamedTuple):
    """A trained network, how channels and features are scaled, and the usual divergence."""

    scale: Scale  # of the channels
    features: Scale
    weights: ScaleWeights
    usual: float
    loss: FloatArray  # (N,), of each training step


@dataclass(frozen=True, slots=True)
class ScaleLearning(Trained[ScaleModel | None]):
    """How wrong a network is about the sizes of random subsets of a window's features.

    A window of `window` rows is described by six features a channel: newest value, mean, standard
    deviation, slope, mean size of a step, and the newest step. Subsets of all features, of random
    sizes, are led by frozen random maps to `width` numbers each. A small network, of `hidden`
    numbers, is shown the `subsets` of a group and answers a number each, whose shares (a softmax)
    it learns to bring to those of the subsets' scales: how much of the features' weight the subset
    holds. A feature weighs by its correlation with the others, and `sharp` is the scale of all. In
    training, features have `noise` added, in their spreads: where a channel stands still there is
    nothing else to learn from.

    What it is asked is the same for every row, so what it can learn is what clean rows look like
    through each map. The score is the divergence of its answers from the scales, the mean over
    `groups`, over its mean in training; 1 is ordinary. "surprise", of Kullback and Leibler, grows
    without bound with the strangeness of a row; "jensen_shannon" levels off, so that wild rows may
    tie, and so does "published", what the authors' program computes. `blame`, of the newest row,
    is what the score falls by when a channel's features are at their means.

    A detector of research: the authors show it on tables, not on windows.

    Finds spikes, jumps, and windows whose level, spread, slope or roughness is off. Misses shapes
    that leave these features alone, and faults of a single one of very many channels. Infinities
    are missing; gaps hold the last value. A window without a value in its newest row, or in half
    of its rows, has no opinion.

    Training takes `steps` batches of `batch` windows in double precision and one thread, and is a
    pure function of rows and settings. It takes 2 s at the defaults and 3 channels, on one busy
    core; a state that is restored is trained anew when it first scores. On another `device`, "cuda"
    or "cuda:1", the same seed has weights of its own. Cost a row: O(G S H C) for G groups of S
    subsets and H hidden numbers, about 0.2 ms. Memory a key: 8 x `memory` x C bytes, and
    48 G S H C of the model. Shift and scale leave the scores alone.

    Reference: Xu and others, Fascinating supervisory signals and where to find them: deep anomaly
    detection with scale learning (SLAD), 2023, arXiv:2305.16114. The features of windows, the
    unbounded divergence and the noise are ours.

    >>> wave = np.sin(np.arange(200)[:, None] / 3.0)
    >>> scorer = ScaleLearning(window=8, groups=4, subsets=5, width=8, hidden=8, steps=60)
    >>> model = scorer.model(wave)
    >>> windows = np.stack([wave[50:58], wave[50:58]])
    >>> windows[1, -1] += 5.0
    >>> ordinary, strange = scorer.measure(model, windows)[0]
    >>> bool(strange > 2 * ordinary)
    True
    """

    window: int = 32
    groups: int = 10
    subsets: int = 10
    width: int = 32
    hidden: int = 32
    sharp: float = 5.0
    divergence: Divergence = "surprise"
    noise: float = 0.3
    steps: int = 600
    batch: int = 128
    rate: float = 5e-3
    seed: int = 0
    device: str = CPU

    traits: ClassVar[Traits] = Traits(stochastic=True, detects=frozenset({"spike"}), research=True)

    def check(self) -> None:
        super(ScaleLearning, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(self.subsets >= 2, "subsets", "2 or more", self.subsets)
        for name in ("groups", "width", "hidden", "steps", "batch"):
            need(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        need(self.sharp > 0, "sharp", "above 0", self.sharp)
        need(self.noise >= 0, "noise", "0 or more", self.noise)
        need(0 < self.rate < 1, "rate", "above 0 and under 1", self.rate)
        if self.divergence not in DIVERGENCES:
            known = ", ".join(DIVERGENCES)
            raise ConfigError(f"divergence must be one of {known}; found {self.divergence!r}")

    @property
    def frames(self) -> int:
        return self.window

    @property
    def lessons(self) -> Lessons:
        """What is drawn, and how the network is trained on it."""
        return Lessons(
            groups=self.groups,
            subsets=self.subsets,
            width=self.width,
            hidden=self.hidden,
            sharp=self.sharp,
            divergence=self.divergence,
            noise=self.noise,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            device=self.device,
        )

    def start(self, spec: Spec) -> TrainingState:
        torch_device(self.device)  # refused here, not after the first training rows
        return super(ScaleLearning, self).start(spec)

    def model(self, rows: FloatArray) -> ScaleModel | None:
        scale, windows = learnt(rows, self.frames)
        if len(windows) < _FEWEST:
            return None
        features = described(windows)
        usual = plain_scale(features)
        placed = scaled(features, usual)
        weights, loss = train(placed, self.lessons)
        value, _ = judge(placed, weights, self.divergence)
        return ScaleModel(scale, usual, weights, max(float(value.mean()), _LEAST), loss)

    def measure(
        self, model: ScaleModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        features = described(in_spreads(windows[ready], model.scale))
        found, parts = judge(scaled(features, model.features), model.weights, self.divergence)
        value[ready] = found / model.usual
        blame[ready, -1] = parts / model.usual
        return value, blame
