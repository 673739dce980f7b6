"""A trained autoencoder as plain arrays: how it is made of rows, and what it says of windows."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tocsin.detectors.forecast.band import in_units, unknown
from tocsin.detectors.gaps import filled
from tocsin.detectors.reconstruction import errors
from tocsin.detectors.reconstruction.attenuation import exchanged, faded, mask_plan, train_mask
from tocsin.detectors.reconstruction.errors import ErrorKind, Usual, Weights
from tocsin.detectors.reconstruction.errors_mean_shift import banks, shifted
from tocsin.detectors.reconstruction.network import Plan, respond
from tocsin.detectors.reconstruction.training import Lesson, Material, Training, train
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import training_windows
from tocsin.pipeline.types import Band, FloatArray, IntArray

LEFT_OUT, FLAT, ACTIVE = 0.0, 1.0, 2.0  # what a channel was in training

_FEWEST = 8  # training windows
_HELD_OUT = 0.2  # of the training windows, the last ones
_MOSTLY = 0.5  # a channel with a larger share of missing values is left out


@dataclass(frozen=True, slots=True)
class Design:
    """All that a model's arrays do not say."""

    frames: int
    channels: int
    plan: Plan
    lesson: Lesson = field(default_factory=Lesson)
    error: ErrorKind = "squared"
    clip: float = 0.001
    rounds: int = 0
    neighbours: int = 10
    bank: int = 500
    attenuate: bool = False

    @property
    def size(self) -> int:
        """Values of a window."""
        return self.frames * self.channels


class Model(NamedTuple):
    """What was learned; C channels, D values of a window, P weights, R rounds of N points."""

    centre: FloatArray  # (C,)
    spread: FloatArray  # (C,), 0 where flat
    role: FloatArray  # (C,), left out, flat or active
    low: FloatArray  # (C,), where the network's input is cut, in spreads
    high: FloatArray  # (C,)
    theta: FloatArray  # (P,)
    offset: FloatArray  # (D,), mean residual
    width: FloatArray  # (D,), standard deviation of residuals
    usual: FloatArray  # (1,), mean error of clean windows
    precision: FloatArray  # (D, D), of standardised residuals, or (0, 0)
    whitener: FloatArray  # (D, D), its Cholesky factor, or (0, 0)
    bank: FloatArray  # (R, N, D), NaN where there are fewer points
    first_offset: FloatArray  # (D,) of the first of two passes, or (0,)
    first_width: FloatArray  # (D,) or (0,)
    mask: FloatArray  # weights of what fades values, or (0,)

    @property
    def scale(self) -> Scale:
        return Scale(self.centre, self.spread)


class Prepared(NamedTuple):
    """Windows in spreads: as they are, which values are known, and as the network is given them."""

    points: FloatArray  # (B, D), gaps filled
    known: FloatArray  # (B, D), 1 or 0
    inputs: FloatArray  # (B, D), cut, and 0 in channels that are not active


class Answer(NamedTuple):
    """What a network makes of windows."""

    mean: FloatArray  # (B, D)
    log: FloatArray  # (B, D), logarithm of the variance it expects; 0 where it gives none


def blank(design: Design) -> Model:
    """A model of zeros, all arrays of the shapes that the design has."""
    c, d = design.channels, design.size
    square = (d, d) if design.error == "mahalanobis" else (0, 0)
    two = d if design.attenuate else 0
    shapes: tuple[tuple[int, ...], ...] = (
        *((c,), (c,), (c,), (c,), (c,)),
        *((design.plan.size,), (d,), (d,), (1,), square, square),
        *((design.rounds, design.bank if design.rounds else 0, d), (two,), (two,)),
        (mask_plan(d).size if design.attenuate else 0,),
    )
    return Model(*(np.zeros(shape) for shape in shapes))


def packed(model: Model) -> FloatArray:
    """All arrays of a model as one vector."""
    return np.concatenate([array.reshape(-1) for array in model])


def unpacked(design: Design, vector: FloatArray) -> Model:
    """The model of a vector that `packed` made; its arrays are parts of the vector."""
    arrays, first = [], 0
    for shape in (array.shape for array in blank(design)):
        stop = first + int(np.prod(shape))
        arrays.append(vector[first:stop].reshape(shape))
        first = stop
    return Model(*arrays)


def build(design: Design, rows: FloatArray) -> Model | None:
    """The model of training rows (N, C); None where they hold too few whole windows."""
    return build_and_tell(design, rows)[0]


def build_and_tell(design: Design, rows: FloatArray) -> tuple[Model | None, Training | None]:
    """The model, and how its training went; None where there was none."""
    windows = training_windows(rows, design.frames)
    if len(windows) < _FEWEST:
        return None, None
    model = _looked_at(design, rows)
    ready = prepare(model, windows)
    if not (model.role == ACTIVE).any():
        return _judged(design, model, ready), None
    told = _trained(design, model, ready)
    model = model._replace(theta=told.theta)
    if design.rounds:
        model = model._replace(bank=_bank(design, ready.inputs))
    if design.attenuate:
        model = _with_mask(design, model, ready)
    return _judged(design, model, ready), told


def prepare(model: Model, windows: FloatArray) -> Prepared:
    """Windows (B, T, C) as a model sees them."""
    points = scaled(windows, model.scale)
    known = ~np.isnan(points) & (model.role != LEFT_OUT)
    points = filled(points, np.zeros(points.shape[2]))
    inputs = np.clip(points, model.low, model.high) * (model.role == ACTIVE)
    rows = len(windows)
    flat = (points, known.astype(np.float64), inputs)
    return Prepared(*(np.ascontiguousarray(part.reshape(rows, -1)) for part in flat))


def rebuild(design: Design, model: Model, inputs: FloatArray) -> Answer:
    """The reconstruction of inputs (B, D), in two passes where the design says so."""
    if design.rounds:
        inputs = shifted(inputs, model.bank, design.neighbours)
    first = _once(design, model, inputs)
    if not design.attenuate:
        return first
    left = inputs - first.mean
    apart = (left - model.first_offset) / model.first_width
    return _once(design, model, faded(inputs, first.mean, apart, model.mask))


def measured(design: Design, model: Model, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scores (B,), 1 on the usual window, and blame (B, T, C).

    A window whose newest row has no value that counts has no opinion.
    """
    value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
    judged = _with_opinion(model, windows)
    if judged.size:
        ready = prepare(model, windows[judged])
        found, parts = _errors(design, model, ready)
        value[judged] = found / model.usual[0]
        blame[judged] = parts.reshape(-1, *windows.shape[1:])
    return value, blame


def expected(design: Design, model: Model, windows: FloatArray) -> Band:
    """What the newest row of windows (B, T, C) is rebuilt as, less what is missed on the whole.

    NaN for channels that are left out, and in windows without an opinion.
    """
    judged = _with_opinion(model, windows)
    if not judged.size:
        return unknown(windows)
    mean = rebuild(design, model, prepare(model, windows[judged]).inputs).mean
    last = slice(-design.channels, None)
    told = np.where(model.role == LEFT_OUT, np.nan, (mean + model.offset)[:, last])
    usual = np.broadcast_to(model.width[last], told.shape)
    band = in_units(windows, judged, model.scale, Band(told, usual))
    return Band(band.expected, np.where(np.isnan(band.expected), np.nan, band.usual))


def _with_opinion(model: Model, windows: FloatArray) -> IntArray:
    """Which windows have a value that counts in the newest row."""
    there = ~np.isnan(windows[:, -1]) & (model.role != LEFT_OUT)
    return np.flatnonzero(there.any(axis=1))


def _looked_at(design: Design, rows: FloatArray) -> Model:
    """A model that knows its channels and nothing else."""
    scale = plain_scale(rows)
    points = scaled(rows, scale)
    missing = np.isnan(rows[~np.isnan(rows).all(axis=1)]).mean(axis=0)
    role = np.where(scale.spread > 0, ACTIVE, FLAT)
    role = np.where(missing > _MOSTLY, LEFT_OUT, role)
    low, high = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for c in np.flatnonzero(role == ACTIVE).tolist():
        known = points[:, c][~np.isnan(points[:, c])]
        low[c], high[c] = np.quantile(known, [design.clip, 1 - design.clip])
    start = blank(design)
    ones = np.ones(design.size)
    return start._replace(
        centre=scale.centre, spread=scale.spread, role=role, low=low, high=high, width=ones
    )


def _trained(design: Design, model: Model, ready: Prepared) -> Training:
    """The last windows are held out, and so are those before them that overlap with them."""
    rows, shape = len(ready.inputs), (-1, design.frames, design.channels)
    reach = np.tile(_reach(model), (design.frames, 1))
    known = ready.known * _active(design, model)
    whole = Material(ready.inputs.reshape(shape), known.reshape(shape), reach)
    first = rows - max(1, int(rows * _HELD_OUT))
    last = max(first - design.frames + 1, first // 2, 1)
    return train(
        design.plan, design.lesson, whole.part(slice(last)), whole.part(slice(first, None))
    )


def _bank(design: Design, inputs: FloatArray) -> FloatArray:
    count = min(design.bank, len(inputs))
    chosen = np.linspace(0, len(inputs) - 1, count).round().astype(np.int64)
    bank = np.full((design.rounds, design.bank, design.size), np.nan)
    bank[:, :count] = banks(inputs[chosen], design.rounds, design.neighbours)
    return bank


def _with_mask(design: Design, model: Model, ready: Prepared) -> Model:
    """The model with what tells, after the first pass, which values are to be trusted."""
    known = ready.known * _active(design, model)
    left = known * (ready.inputs - _once(design, model, ready.inputs).mean)
    first = errors.usual(left, known)
    rng = np.random.default_rng(design.lesson.seed + 1)
    wrong = exchanged(ready.inputs, design.channels, rng)
    apart = (wrong - _once(design, model, wrong).mean - first.offset) / first.width
    answer = (wrong != ready.inputs).astype(np.float64)
    mask, _ = train_mask(apart, answer, design.lesson.seed + 2, design.lesson.device)
    return model._replace(first_offset=first.offset, first_width=first.width, mask=mask)


def _judged(design: Design, model: Model, ready: Prepared) -> Model:
    """The model with what errors are on the windows it was trained on."""
    left = errors.residuals(ready.points, rebuild(design, model, ready.inputs).mean, ready.known)
    ordinary = errors.usual(left, ready.known)
    active = _active(design, model) > 0
    width = np.where(active, ordinary.width, 1.0)
    model = model._replace(offset=np.where(active, ordinary.offset, 0.0), width=width)
    if design.error == "mahalanobis":
        apart = errors.standardised(left, ready.known, Usual(model.offset, model.width))
        precision = errors.precision_of(apart)
        whitener = np.asarray(np.linalg.cholesky(precision), dtype=np.float64)
        model = model._replace(precision=precision, whitener=whitener)
    mean = float(_errors(design, model, ready)[0].mean())
    return model._replace(usual=np.array([mean if mean > 0 else 1.0]))


def _errors(design: Design, model: Model, ready: Prepared) -> tuple[FloatArray, FloatArray]:
    """Errors (B,) and those of each value (B, D)."""
    answer = rebuild(design, model, ready.inputs)
    left = errors.residuals(ready.points, answer.mean, ready.known)
    if design.error == "probabilistic":
        terms = Weights(design.lesson.bias, design.lesson.uncertainty)
        return errors.probabilistic(left, answer.log, ready.known, terms)
    if design.error == "logarithmic":
        return errors.logarithmic(left, np.tile(_reach(model), design.frames), ready.known)
    apart = errors.standardised(left, ready.known, Usual(model.offset, model.width))
    if design.error == "mahalanobis":
        return errors.mahalanobis(apart, model.whitener, model.precision)
    if design.error == "log_cosh":
        return errors.log_cosh(apart, ready.known)
    return errors.rooted(apart, ready.known)


def _once(design: Design, model: Model, inputs: FloatArray) -> Answer:
    windows = inputs.reshape(len(inputs), design.frames, design.channels)
    found = respond(design.plan, model.theta, windows)
    width, active = design.plan.width, _active(design, model)
    mean = found[:, :, :width].reshape(len(inputs), -1) * active
    if found.shape[2] == width:
        return Answer(mean, np.zeros(mean.shape))
    return Answer(mean, found[:, :, width:].reshape(len(inputs), -1) * active)


def _active(design: Design, model: Model) -> FloatArray:
    return np.tile((model.role == ACTIVE).astype(np.float64), design.frames)


def _reach(model: Model) -> FloatArray:
    """From the lowest to the highest value of each channel (C,), in spreads."""
    reach = model.high - model.low
    return np.where(reach > 0, reach, 1.0)
