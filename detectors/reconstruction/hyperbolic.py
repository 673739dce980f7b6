"""How far a window lies from its reconstruction in hyperbolic space."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.forecast.band import in_units, unknown, usual_miss
from tocsin.detectors.reconstruction.hyperbolic_ball import distances, led, radii, shares
from tocsin.detectors.reconstruction.hyperbolic_training import BallNetwork, Lessons, train
from tocsin.detectors.reconstruction.network import respond
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale
from tocsin.detectors.trained import Trained, TrainingState
from tocsin.detectors.windows.prepared import in_spreads, judged, learnt
from tocsin.pipeline.types import Band, FloatArray, Spec, Traits

_FEWEST = 2  # training windows
_LEAST = 1e-3  # usual score; what is less counts as this


class HyperbolicModel(NamedTuple):
    """A trained network with its map to the ball, and the usual score in training."""

    scale: Scale
    network: BallNetwork
    usual: float
    misses: FloatArray  # (C,), root mean square of what was not rebuilt of newest rows, in spreads


class Parts(NamedTuple):
    """What the score is made of, and each value's share of it."""

    distance: FloatArray  # (B,), between a window and its reconstruction in the ball
    certainty: FloatArray  # (B,), 0 to 1, how far from the origin the reconstruction lies
    share: FloatArray  # (B, T, C), of what was not rebuilt; the sum is 1, or 0 where all was


@dataclass(frozen=True, slots=True)
class HyperbolicReconstruction(Trained[HyperbolicModel | None]):
    """How far a window lies from its reconstruction in a Poincare ball, weighed or not.

    A small dense autoencoder rebuilds windows of `window` rows through a code of `code` numbers.
    One learned linear map takes a window and its reconstruction alike to vectors of `ball` numbers
    and these to points of the ball. The score is the hyperbolic distance of the two points. With
    `weighed`, as published, it is multiplied by how far from the origin of the ball, 0 to 1, the
    reconstruction lies, which the reference reads as the network's certainty. Either is over its
    mean in training, so 1 is ordinary. `blame` hands the score to the window's values by the
    squares of what was not rebuilt.

    The loss is the distance; the squared error of the rebuilt values, weighed by `plain`; and how
    far the map's columns are from orthogonal and of one length, weighed by `even`. The vectors of
    clean windows are held at a root mean square length of `reach`. Without `reach` and `even` the
    map would shrink to nothing, or to a single direction.

    A detector of research. The certainty is a learned length and no more: on faults planted in ten
    synthetic streams of three channels, weighing by it takes 0.08 off the mean AUC of the distance
    alone (paired bootstrap over streams, 0.07 to 0.09), and weighing by the plain length of the
    window does better than it. So `weighed` is off.

    Finds windows that break shapes, levels and couplings of clean ones. Misses faults that the
    code can express, and, weighed, those that look like a channel at rest at its mean. Infinities
    are missing; gaps hold the last value. A window without a value in its newest row, or in half
    of its rows, has no opinion.

    Training takes `steps` batches of `batch` windows in double precision and one thread, and is a
    pure function of rows and settings. It takes 3 s at the defaults and 3 channels, on one busy
    core; a state that is restored is trained anew when it first scores. On another `device`, "cuda"
    or "cuda:1", the same seed has weights of its own. Cost a row: O(D (F + H)) for D numbers in a
    window, F hidden ones and H in the ball, about 0.01 ms. Memory a key: 8 x `memory` x C bytes,
    and 8 D (2 F + H) of the model. Shift and scale leave the scores alone.

    Reference: after Flaborea and others, Are we certain it's anomalous? (HypAD), 2023,
    arXiv:2211.09224. The published network is adversarial and recurrent along the batch; plain
    autoencoding of each window by itself, the bias before the map to the ball and the two terms
    that keep the map from collapse are ours.

    >>> wave = np.sin(np.arange(200)[:, None] / 3.0)
    >>> scorer = HyperbolicReconstruction(window=8, hidden=8, code=2, ball=4, steps=40)
    >>> model = scorer.model(wave)
    >>> windows = np.stack([wave[50:58], wave[50:58]])
    >>> windows[1, -1] += 5.0
    >>> ordinary, strange = scorer.measure(model, windows)[0]
    >>> bool(strange > 2 * ordinary)
    True
    """

    window: int = 32
    hidden: int = 64
    code: int = 8
    ball: int = 16
    reach: float = 1.0
    weighed: bool = False
    plain: float = 1.0
    even: float = 10.0
    steps: int = 400
    batch: int = 128
    rate: float = 5e-3
    seed: int = 0
    device: str = CPU

    traits: ClassVar[Traits] = Traits(stochastic=True, detects=frozenset({"spike"}), research=True)

    def check(self) -> None:
        super(HyperbolicReconstruction, self).check()
        for name in ("window", "hidden", "code", "ball", "steps", "batch"):
            need(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        need(self.reach > 0, "reach", "above 0", self.reach)
        need(self.plain > 0, "plain", "above 0", self.plain)
        need(self.even > 0, "even", "above 0", self.even)
        need(0 < self.rate < 1, "rate", "above 0 and under 1", self.rate)

    @property
    def frames(self) -> int:
        return self.window

    @property
    def lessons(self) -> Lessons:
        """What the network is, and how it is trained."""
        return Lessons(
            hidden=self.hidden,
            code=self.code,
            ball=self.ball,
            reach=self.reach,
            plain=self.plain,
            even=self.even,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            device=self.device,
        )

    def start(self, spec: Spec) -> TrainingState:
        torch_device(self.device)  # refused here, not after the first training rows
        return super(HyperbolicReconstruction, self).start(spec)

    def model(self, rows: FloatArray) -> HyperbolicModel | None:
        scale, windows = learnt(rows, self.frames)
        if len(windows) < _FEWEST:
            return None
        network = train(windows.reshape(len(windows), -1), self.lessons)
        value = self._joined(_looked(windows, network))
        misses = usual_miss(windows[:, -1] - _rebuilt(windows, network)[:, -1])
        return HyperbolicModel(scale, network, max(float(value.mean()), _LEAST), misses)

    def measure(
        self, model: HyperbolicModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        parts = self.parts(model, windows[ready])
        value[ready] = self._joined(parts) / model.usual
        blame[ready] = value[ready][:, None, None] * parts.share
        return value, blame

    def band(self, model: HyperbolicModel | None, windows: FloatArray) -> Band:
        """What the newest row is rebuilt as from its window, which it is a part of itself.

        NaN in windows that have no opinion.
        """
        ready = judged(windows)
        if model is None or not ready.size:
            return unknown(windows)
        told = _rebuilt(in_spreads(windows[ready], model.scale), model.network)[:, -1]
        usual = np.broadcast_to(model.misses, told.shape)
        return in_units(windows, ready, model.scale, Band(told, usual))

    def parts(self, model: HyperbolicModel, windows: FloatArray) -> Parts:
        """Distance and certainty of windows (B, T, C) apart; NaN in windows is missing."""
        return _looked(in_spreads(windows, model.scale), model.network)

    def _joined(self, parts: Parts) -> FloatArray:
        return parts.distance * parts.certainty if self.weighed else parts.distance


def _looked(windows: FloatArray, network: BallNetwork) -> Parts:
    """What the network makes of windows (B, T, C) in spreads, without gaps."""
    flat = np.ascontiguousarray(windows.reshape(len(windows), -1))
    rebuilt = _rebuilt(windows, network).reshape(flat.shape)
    there = led(rebuilt, network.turn, network.shift)
    return Parts(
        distances(led(flat, network.turn, network.shift), there),
        radii(there),
        shares(flat - rebuilt).reshape(windows.shape),
    )


def _rebuilt(windows: FloatArray, network: BallNetwork) -> FloatArray:
    """Windows (B, T, C) in spreads, without gaps, as the network rebuilds them."""
    flat = np.ascontiguousarray(windows.reshape(len(windows), -1))
    return respond(network.plan, network.theta, flat).reshape(windows.shape)
