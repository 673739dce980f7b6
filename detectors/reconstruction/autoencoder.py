"""A network that rebuilds ordinary windows through a narrow code, and what it cannot rebuild."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from tocsin.detectors.device import CPU, torch_device
from tocsin.detectors.forecast.band import unknown
from tocsin.detectors.reconstruction.arcana import explain
from tocsin.detectors.reconstruction.autoencoder_model import (
    Design,
    Model,
    blank,
    build,
    expected,
    measured,
    packed,
    unpacked,
)
from tocsin.detectors.reconstruction.errors import KINDS, ErrorKind
from tocsin.detectors.reconstruction.network import (
    Plan,
    convolutional_plan,
    dense_plan,
    fits_convolution,
)
from tocsin.detectors.reconstruction.training import Lesson
from tocsin.detectors.rows import channels, need, tidied
from tocsin.detectors.trained import Trained, TrainingState
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Band, FloatArray, Spec, Traits

_BANK = 500  # clean windows that mean shift looks among
_NEIGHBOURS = 10
_LEAST_HIDDEN, _MOST_HIDDEN = 16, 128


@dataclass(slots=True)
class AutoencoderState(TrainingState):
    """The training rows, and what was learned from them."""

    learned: FloatArray = per_key(np.nan)  # (K, P): all arrays of a model, one after the other


@dataclass(frozen=True, slots=True)
class Autoencoder(Trained[Model | None]):
    """How badly a network trained on clean windows rebuilds the newest window.

    The network leads through a code of few numbers, so that it learns how the values of ordinary
    windows go together. The score is the root mean square of the residuals, each over its standard
    deviation on clean windows, and 1 on the usual window. `blame` is each value's own part.

    Before training, channels are put in their spreads and cut at the quantiles `clip` and
    1 - `clip`; a flat channel is no input, but counts once it moves, and one that is mostly missing
    counts for nothing. The last fifth of the windows is held out, and training ends when these are
    rebuilt no better for `patience` epochs, after `epochs` at the latest. A missing value takes the
    last one before it in its window and has no error; where the newest row has no value there is
    no opinion.

    - `kind`: "dense", or "convolutional" along the window, whose length is then a multiple of 4.
    - `window`: rows of a window. `hidden`, `code`: numbers of the hidden layers, and of the code (a
      quarter of a window a frame in convolutions); 0 chooses twice and a third of the values.
    - `noise`, `hide`: what is done to inputs in training: noise added, in spreads, and the share
      of values put to 0. `sparse`: the weight of the hidden numbers' size in the loss. `rate`: of
      Adam in the first epoch; it falls towards 0. Of the values tried for `noise` and `rate`, the
      defaults rebuilt held-out clean rows best; no label was looked at.
    - `error`: "squared"; "mahalanobis", along the covariance of the residuals; "log_cosh", which
      counts large residuals less; "logarithmic", -log(1 - r^2) with residuals as shares of the
      channel's range; "probabilistic", for which the network gives a variance as well, the two
      terms weighted by `bias` and `uncertainty`. Networks are trained for the error they are
      judged by, for "mahalanobis" for the squared one.
    - `mean_shift`: rounds in which a window moves to the mean of its 10 nearest among 500 clean
      windows before it is rebuilt; 0 is none. `attenuate`: fade values that were badly rebuilt, and
      rebuild once more.
    - `device`: where it is trained, "cpu", "cuda" or "cuda:1"; from one seed, each has weights of
      its own. Scores are computed on the processor.

    Finds rows that break the usual relations of the channels, also where these are not linear, and
    with `window` above 1 unusual shapes. Misses what it can rebuild though it has never seen it:
    mild faults along the usual relations. What lasts stays found, as nothing is learned after
    training.

    The weights are part of the state: scores after a restart, or on another machine, come from the
    same numbers. Cost of a window of D values: 2 D `hidden` multiplications, in convolutions 5 C
    `hidden` a frame, and 500 D for each round of mean shift. Training takes seconds, when the last
    training row comes in. Memory a key: 8 x `memory` x C bytes, 16 D `hidden` for the network,
    16 D**2 for "mahalanobis", 4000 D for each round of mean shift. Shift and scale leave the
    ranking alone.

    References: Borghesi and others, Anomaly detection using autoencoders in high performance
    computing systems, 2019, arXiv:1811.05269; Roelofs and others, Autoencoder-based anomaly root
    cause analysis for wind turbines, 2021, doi:10.1016/j.egyai.2021.100065; Tan and others,
    MSS-PAE, 2023, arXiv:2304.00709; Park, Concise logarithmic loss function, 2022,
    arXiv:2201.05748.

    >>> from tocsin.pipeline.types import Batch, Spec
    >>> rng = np.random.default_rng(0)
    >>> angle = rng.uniform(0, 6, 200)
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None]
    >>> scorer = Autoencoder(epochs=3)
    >>> state = scorer.fit(Spec((2,)), [Batch(np.zeros(200, dtype=int), np.arange(200), circle)])
    >>> odd = Batch(np.zeros(2, dtype=int), np.arange(2), np.array([[[0.0, 1]], [[2, -2]]]))
    >>> score = scorer.score(state, odd).value
    >>> bool(score[1] > 2 * score[0])
    True
    """

    kind: Literal["dense", "convolutional"] = "dense"
    window: int = 1
    hidden: int = 0
    code: int = 0
    error: ErrorKind = "squared"
    noise: float = 0.2
    hide: float = 0.0
    sparse: float = 0.0
    clip: float = 0.001
    rate: float = 1e-2
    epochs: int = 60
    patience: int = 6
    bias: float = 1.0
    uncertainty: float = 1.0
    mean_shift: int = 0
    attenuate: bool = False
    seed: int = 0
    device: str = CPU

    traits: ClassVar[Traits] = Traits(
        stochastic=True,
        detects=frozenset({"spike", "level_shift", "variance_burst", "broken_correlation"}),
    )

    def check(self) -> None:
        super(Autoencoder, self).check()
        if self.kind not in ("dense", "convolutional"):
            raise ConfigError(f"kind must be dense or convolutional; found {self.kind!r}")
        if self.error not in KINDS:
            raise ConfigError(f"error must be one of {', '.join(KINDS)}; found {self.error!r}")
        for name in ("window", "epochs", "patience"):
            need(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("hidden", "code", "mean_shift", "seed", "noise", "sparse"):
            need(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        for name in ("rate", "bias", "uncertainty"):
            need(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        need(0 <= self.hide < 1, "hide", "0 or more and under 1", self.hide)
        need(0 <= self.clip < 0.5, "clip", "0 or more and under 0.5", self.clip)
        if self.kind == "convolutional":
            fits = fits_convolution(self.window)
            need(fits, "window", "a multiple of 4 for convolutions", self.window)

    @property
    def frames(self) -> int:
        return self.window

    def design(self, width: int) -> Design:
        """What a model for rows of `width` channels is like."""
        loss = "squared" if self.error == "mahalanobis" else self.error
        lesson = Lesson(
            loss=loss,
            rate=self.rate,
            epochs=self.epochs,
            patience=self.patience,
            noise=self.noise,
            hide=self.hide,
            sparse=self.sparse,
            bias=self.bias,
            uncertainty=self.uncertainty,
            seed=self.seed,
            device=self.device,
        )
        return Design(
            frames=self.window,
            channels=width,
            plan=self._plan(width),
            lesson=lesson,
            error=self.error,
            clip=self.clip,
            rounds=self.mean_shift,
            neighbours=_NEIGHBOURS,
            bank=_BANK,
            attenuate=self.attenuate,
        )

    def start(self, spec: Spec) -> AutoencoderState:
        torch_device(self.device)  # refused here, not after the first training rows
        state = super(Autoencoder, self).start(spec)
        size = len(packed(blank(self.design(channels(spec)))))
        learned = np.empty((0, size))
        return AutoencoderState(state.rows, state.used, state.seen, state.mark, learned)

    def model(self, rows: FloatArray) -> Model | None:
        return build(self.design(rows.shape[1]), rows)

    def measure(self, model: Model | None, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        if model is None:
            return np.full(len(windows), np.nan), np.zeros(windows.shape)
        return measured(self.design(windows.shape[2]), model, windows)

    def band(self, model: Model | None, windows: FloatArray) -> Band:
        """What the newest row is rebuilt as from its window, which it is a part of itself.

        The usual miss is the standard deviation of what was left of clean rows. NaN for channels
        that count for nothing, and in windows that have no opinion.
        """
        if model is None:
            return unknown(windows)
        return expected(self.design(windows.shape[2]), model, windows)

    def explanation(self, state: TrainingState, key: int, window: FloatArray) -> FloatArray:
        """The importance (C,) of each channel of a window (T, C), as `arcana.explain` tells it.

        Zeros for a series that is not trained yet.
        """
        window = tidied(window)
        model = self._model_of(state, key) if state.mark[key] else None
        if model is None:
            return np.zeros(window.shape[1])
        return explain(self.design(window.shape[1]), model, window)

    def _finish(self, state: TrainingState, key: int) -> None:
        super(Autoencoder, self)._finish(state, key)
        model = super(Autoencoder, self)._model_of(state, key)
        if isinstance(state, AutoencoderState) and model is not None:
            state.learned[key] = packed(model)

    def _model_of(self, state: TrainingState, key: int) -> Model | None:
        """The model that the state holds; it is not trained again after a restart."""
        if not isinstance(state, AutoencoderState) or np.isnan(state.learned[key, 0]):
            return None
        return unpacked(self.design(state.rows.shape[2]), state.learned[key])

    def _plan(self, width: int) -> Plan:
        heads = 2 if self.error == "probabilistic" else 1
        if self.kind == "convolutional":
            hidden = self.hidden or min(max(2 * width, _LEAST_HIDDEN), _MOST_HIDDEN)
            code = self.code or max(1, -(-width // 2))
            return convolutional_plan(self.window, width, hidden, code, heads)
        size = self.window * width
        hidden = self.hidden or min(max(2 * size, _LEAST_HIDDEN), _MOST_HIDDEN)
        # A code of as many numbers as there are values could hold any window.
        code = min(self.code or max(1, size // 3), size - 1)
        return dense_plan(size, hidden, code, heads)
