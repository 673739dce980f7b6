"""What the encoder is trained on: batches made of drawn, labelled windows.

A batch is a pure function of the seed and its number, so training that was stopped goes on with
the very batches it would have seen.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np

from tocsin.detectors.context.views import (
    Scale,
    Singles,
    filled,
    observed,
    scale_of,
    squeezed,
    views_of,
)
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

Form = Literal["live", "offline"]  # what an encoder is to read: rows as they come, or whole series

CLEAN = -1  # the kind of a window without an anomaly
_SHORT = 32.0  # points of an anomaly that weighs 1
_LIGHTEST, _HEAVIEST = 0.7, 6.0
_END = 16  # the newest points of a window, which weigh more
NEWEST = (3.0, 4.0)  # what those weigh, and times that the last, which a live score is about
_LIVE = 4  # windows that a drawn one gives as they are seen live, each a quarter as long
_FRESH = 0.65  # share of those that end soon after an anomaly began
_SOON = 48.0  # points after its begin, at most
_MOSTLY = 0.5  # a window labelled beyond this share has no context to compare with
_HELD_OUT = 1_000_003  # parts the draws of checks from those of training


class Drawn(NamedTuple):
    """Windows with labels: what is seen, what it was before the anomaly, where and what it is."""

    values: FloatArray  # (B, L), NaN where missing
    clean: FloatArray  # (B, L)
    label: BoolArray  # (B, L)
    kind: IntArray  # (B,), an index of the source's kinds, or CLEAN


class Source(Protocol):
    """Draws labelled windows of one channel; a plain picklable value, so a process can have it."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the anomaly kinds."""
        ...

    def __call__(
        self, rng: np.random.Generator, count: int, length: int, *, held_out: bool
    ) -> Drawn:
        """`count` windows of `length` points; held-out ones are of families of their own."""
        ...


class Examples(NamedTuple):
    """A batch for the encoder."""

    views: Singles  # (B, VIEWS, L)
    label: Singles  # (B, L), 0 or 1
    weight: Singles  # (B, L), of the logit's loss
    clean: Singles  # (B, L), the first view before the anomaly
    known: Singles  # (B, L), 1 where `clean` is known, else 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How windows become batches, eight of `points` points each a chunk.

    For the form "live" they are three of windows of `length`, two of half that length, and three
    of a quarter, as they are seen live: cut out of windows of `length` so that many end soon after
    an anomaly began, and scaled by all but the newest point. For "offline" they are two each of
    windows of `length`, a half, a quarter and an eighth of it, as coarse scales of short series
    have them; all are scaled by all their points, and no end counts more. Kinds in `hard` weigh
    twice.
    """

    length: int = 1024
    points: int = 16 * 1024
    hard: tuple[str, ...] = ()
    form: Form = "live"


def chunk(source: Source, recipe: Recipe, seed: int, number: int) -> list[Examples]:
    """The eight batches of one chunk; the same for the same arguments, whenever it is asked for."""
    rng = np.random.default_rng([seed, number])
    hard = np.array([2.0 if kind in recipe.hard else 1.0 for kind in source.kinds] + [1.0])
    made = _for_offline if recipe.form == "offline" else _for_live
    parts = made(source, recipe, hard, rng)
    return [parts[i] for i in (0, 5, 3, 1, 6, 4, 2, 7)]  # the lengths in turn


def _for_offline(
    source: Source, recipe: Recipe, hard: FloatArray, rng: np.random.Generator
) -> list[Examples]:
    parts = []
    for length in (recipe.length >> halved for halved in range(4)):
        drawn = source(rng, 2 * (recipe.points // length), length, held_out=False)
        for part in _dealt(drawn, 2, rng):
            whole = np.full(len(part.values), length)
            parts.append(examples(part, hard[part.kind], whole, rng))
    return parts


def _for_live(
    source: Source, recipe: Recipe, hard: FloatArray, rng: np.random.Generator
) -> list[Examples]:
    rows = recipe.points // recipe.length
    whole = source(rng, 3 * rows, recipe.length, held_out=False)
    half = source(rng, 4 * rows, recipe.length // 2, held_out=False)
    live = as_live(source(rng, 3 * rows, recipe.length, held_out=False), rng)
    parts = [
        examples(part, hard[part.kind], _contexts(part, rng), rng, newest=NEWEST)
        for part in (*_dealt(whole, 3, rng), *_dealt(half, 2, rng))
    ]
    for part in _dealt(live, 3, rng):
        past = np.full(len(part.values), part.values.shape[1] - 1)
        parts.append(examples(part, hard[part.kind], past, rng, newest=NEWEST))
    return parts


def held_out(source: Source, count: int, length: int, seed: int) -> Drawn:
    """Windows of families that are never trained on."""
    rng = np.random.default_rng([seed, _HELD_OUT])
    return source(rng, count, length, held_out=True)


def as_live(drawn: Drawn, rng: np.random.Generator) -> Drawn:
    """Four windows (4 B, L / 4) out of each, most of which end soon after an anomaly began."""
    length = drawn.label.shape[1]
    short = length // _LIVE
    row = np.repeat(np.arange(len(drawn.label)), _LIVE)
    end = rng.integers(short, length + 1, size=len(row))
    begins = np.diff(drawn.label.astype(np.int8), axis=1, prepend=0) == 1
    # A random one of the anomalies of a window: the largest of random numbers at their begins.
    draw = np.where(begins[row], rng.random((len(row), length)), 0.0)
    after = np.exp(rng.uniform(0.0, np.log(_SOON), size=len(row))).astype(np.int64)
    fresh = (draw.max(axis=1) > 0) & (rng.random(len(row)) < _FRESH)
    end = np.where(fresh, np.clip(draw.argmax(axis=1) + after, short, length), end)
    at = end[:, None] - short + np.arange(short)
    where = (row[:, None], at)
    return Drawn(drawn.values[where], drawn.clean[where], drawn.label[where], drawn.kind[row])


def examples(
    drawn: Drawn,
    hard: FloatArray,
    context: IntArray,
    rng: np.random.Generator,
    *,
    newest: tuple[float, float] = (1.0, 1.0),
) -> Examples:
    """A batch of the drawn windows, scaled by their first `context` (B,) points.

    Half are turned upside down. `hard` (B,) is what each window weighs; the newest 16 points weigh
    the first of `newest` and the last of them as much again as the second says.
    """
    sign = rng.choice([-1.0, 1.0], size=(len(drawn.values), 1))
    values, clean = sign * drawn.values, sign * drawn.clean
    scale = scale_of(values, context)
    known = np.isfinite(clean)
    seen = observed(values)
    weight = weights(drawn.label) * hard[:, None] * seen
    weight[:, -_END:] *= newest[0]
    weight[:, -1] *= newest[1]
    weight[drawn.label.mean(axis=1) > _MOSTLY] = 0.0
    return Examples(
        views_of(values, scale),
        drawn.label.astype(np.float32),
        weight.astype(np.float32),
        _target(clean, scale).astype(np.float32),
        known.astype(np.float32),
    )


def weights(label: BoolArray) -> FloatArray:
    """The weight of each point (B, L): 1, and sqrt(32 / length) within 0.7 to 6 in anomalies.

    >>> weights(np.array([[False, True, True, False]])).round(2).tolist()
    [[1.0, 4.0, 4.0, 1.0]]
    """
    padded = np.pad(label, ((0, 0), (1, 1)))
    step = np.diff(padded.astype(np.int8), axis=1)  # (B, L + 1)
    row, first = np.nonzero(step == 1)
    last = np.nonzero(step == -1)[1]  # runs end in the order they begin
    heavy = np.clip(np.sqrt(_SHORT / (last - first)), _LIGHTEST, _HEAVIEST)
    change = np.zeros(step.shape)
    change[row, first] += heavy - 1.0
    change[row, last] -= heavy - 1.0
    return 1.0 + np.where(label, np.cumsum(change, axis=1)[:, :-1], 0.0)


def _target(clean: FloatArray, scale: Scale) -> FloatArray:
    return squeezed(scale.apply(filled(clean)))


def _contexts(drawn: Drawn, rng: np.random.Generator) -> IntArray:
    """Points of each window that make its scale: all, all but a few, or three quarters and more."""
    rows, length = drawn.values.shape
    tail = np.where(
        rng.random(rows) < 0.5,
        rng.integers(1, _END + 1, size=rows),
        rng.integers(1, max(2, length // 4 + 1), size=rows),
    )
    context: IntArray = np.where(rng.random(rows) < 0.5, length, length - tail)
    return context


def _dealt(drawn: Drawn, hands: int, rng: np.random.Generator) -> list[Drawn]:
    """The windows shuffled and dealt into equal parts."""
    places = np.array_split(rng.permutation(len(drawn.values)), hands)
    return [
        Drawn(drawn.values[at], drawn.clean[at], drawn.label[at], drawn.kind[at]) for at in places
    ]
