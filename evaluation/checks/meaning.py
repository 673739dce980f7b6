"""What a score means: stranger is higher, in any unit, and better than chance."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tocsin.evaluation.checks.play import (
    KEYS,
    begin,
    clean,
    history,
    is_trainable,
    play,
    warmed,
    with_values,
)
from tocsin.evaluation.checks.verdict import expect
from tocsin.evaluation.planted import area_under_curve, can_plant, ordinary, plant, spread, windows
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray, Scorer, Spec

_SCALES = (1e-6, 1e6)
_SHIFT = 1e4  # standard deviations
_RANK_SLACK = 1e-6  # relative; differences below are rounding
_APART = 1e-4  # of the range; scores so far from each other are not equal by rounding
_BEATS_CHANCE = 0.8
_FAULTY_KEYS = 8
_FAULTY_TICKS = 40


def check_units(scorer: Scorer[Any], spec: Spec) -> None:
    """Other units leave the ranking of scores alone, as far as `traits` declare."""
    stream = clean(spec, scorer.warmup + 40, KEYS, seed=40)
    plain = play(scorer, begin(scorer, spec), stream).value
    for name, scale, shift in _units(scorer, spec):
        values = scale * stream.values + shift
        state = _begin_in_units(scorer, spec, scale, shift)
        other = play(scorer, state, with_values(stream, values)).value
        promise = f"{name} leaves the ranking of scores alone"
        expect(bool((np.isnan(plain) == np.isnan(other)).all()), promise, "NaN in other places")
        swap, lost = compare_ranking(plain[~np.isnan(plain)], other[~np.isnan(other)])
        expect(swap <= _RANK_SLACK, promise, f"scores out of order by {swap:.3g} of their range")
        expect(not lost, promise, f"{lost} scores that were apart have become equal")


def _begin_in_units(scorer: Scorer[Any], spec: Spec, scale: Any, shift: Any) -> Any:
    """A state to stream into; a fitted one has its history in the same units as the stream."""
    if not is_trainable(scorer):
        return begin(scorer, spec)
    past = history(scorer, spec)
    given = with_values(past, scale * past.values + shift)
    state = scorer.fit(spec, [given])  # type: ignore[attr-defined]  # is_trainable saw it
    grow(state, KEYS)
    return state


def _units(scorer: Scorer[Any], spec: Spec) -> Iterator[tuple[str, Any, Any]]:
    one_each = len(spec.item) == 1  # channels have units of their own; pixels share one
    rng = np.random.default_rng(41)
    if scorer.traits.scale_free:
        for scale in _SCALES:
            yield f"multiplying by {scale:g}", scale, 0.0
        if one_each:
            yield "a factor a channel", 10.0 ** rng.uniform(-6, 6, spec.item), 0.0
    if scorer.traits.shift_free:
        for sign in (-1.0, 1.0):
            size = spread(spec.item) if one_each else spread(spec.item).max()
            yield f"adding {sign * _SHIFT:g} standard deviations", 1.0, sign * _SHIFT * size


def compare_ranking(plain: FloatArray, other: FloatArray) -> tuple[float, int]:
    """How far `other` falls where `plain` rises, as a share of its range, and new ties.

    >>> compare_ranking(np.array([1.0, 2.0, 3.0]), np.array([0.0, 10.0, 6.0]))
    (0.4, 0)
    >>> compare_ranking(np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 6.0]))
    (0.0, 1)
    """
    if not plain.size:
        return 0.0, 0
    plain, other = np.clip(plain, -1e300, 1e300), np.clip(other, -1e300, 1e300)
    order = np.lexsort((other, plain))  # within a tie of `plain`, any order of `other` will do
    rising, along = plain[order], other[order]
    fall = float((np.maximum.accumulate(along) - along).max())
    apart = np.diff(rising) > _APART * (rising[-1] - rising[0])
    reach = float(np.ptp(along))
    return fall / reach if reach else 0.0, int((apart & (np.diff(along) == 0)).sum())


def check_stranger_is_higher(scorer: Scorer[Any], spec: Spec) -> None:
    """50 deviations score above every normal row, and 500 not below that, on either side."""
    state = warmed(scorer, spec, seed=42)
    normal = scorer.score(state, clean(spec, 20, KEYS, seed=43)).value
    rows = clean(spec, 1, KEYS, seed=44)
    for name, change in _departures(spec):
        far, farther = (
            scorer.score(state, with_values(rows, rows.values + size * change)).value
            for size in (50.0, 500.0)
        )
        above = "50 deviations score above every normal row"
        worst = f"{name}: {far.min():.6g} at 50 deviations, normal rows reach {normal.max():.6g}"
        # A scorer that saturates may tie with the strangest normal row, but not with the usual one.
        expect(bool((far >= normal.max()).all()), above, worst)
        expect(bool((far > np.median(normal)).all()), above, worst)
        seen = f"{name}: {far} at 50 deviations, {farther} at 500"
        expect(bool((farther >= far).all()), "500 deviations do not score below 50", seen)
    _check_flat_then_step(scorer, spec)


def _departures(spec: Spec) -> Iterator[tuple[str, FloatArray]]:
    """One deviation, (T, *item), of the newest frame: each channel, or a square, up and down."""
    size = spread(spec.item)
    for sign, word in ((1.0, "up"), (-1.0, "down")):
        for channel in range(spec.item[0] if len(spec.item) == 1 else 1):
            change = np.zeros((spec.window, *spec.item))
            if len(spec.item) == 1:
                change[-1, channel] = sign * size[channel]
            else:
                change[-1, :8, :8] = sign * size[:8, :8]
            yield f"channel {channel} {word}" if len(spec.item) == 1 else f"square {word}", change


def _check_flat_then_step(scorer: Scorer[Any], spec: Spec) -> None:
    flat = clean(spec, scorer.warmup + 20, KEYS, seed=45)
    flat.values[...] = flat.values[:1, -1:]
    state = begin(scorer, spec)
    unmoved = play(scorer, state, flat).value[-KEYS:]
    rows = flat.take(np.arange(KEYS))
    _, change = next(_departures(spec))
    moved = scorer.score(state, with_values(rows, rows.values + 8.0 * change)).value
    seen = f"{unmoved} unmoved, {moved} after a step"
    expect(not np.isnan([unmoved, moved]).any(), "a flat stream and a step are scored", seen)
    expect(bool((moved > unmoved).all()), "a step from a flat stream is stranger", seen)


def check_beats_chance(scorer: Scorer[Any], spec: Spec) -> None:
    """Each fault named in `traits.detects` is told from normal rows with an AUC of 0.8."""
    before = scorer.warmup + max(scorer.warmup, 100)
    ticks = before + _FAULTY_TICKS + spec.window - 1
    for number, fault in enumerate(sorted(scorer.traits.detects)):
        if not can_plant(fault, spec.item):
            continue
        frames = ordinary(spec.item, ticks=ticks, keys=_FAULTY_KEYS, seed=46 + number)
        start = ticks - _FAULTY_TICKS
        faulty, wrong = plant(frames, fault, start=start, seed=46 + number)
        stream = windows(faulty, spec.window)
        score = play(scorer, begin(scorer, spec, _FAULTY_KEYS), stream).value
        answer = wrong[spec.window - 1 :].ravel()
        # Normal rows after the first spike are left out: a scorer may take a while to calm down.
        # No opinion of a wrong row is the lowest of scores; one of a row before is warm-up.
        quiet = (np.arange(len(score)) < before * _FAULTY_KEYS) & ~np.isnan(score)
        judged = answer | quiet
        ranked = np.where(np.isnan(score), -np.inf, score)
        area = area_under_curve(answer[judged], ranked[judged])
        expect(
            area >= _BEATS_CHANCE,
            f"{fault} is told from normal rows with an AUC of {_BEATS_CHANCE}",
            f"AUC {area:.3f} over {int(answer[judged].sum())} wrong rows of {_FAULTY_KEYS} keys",
        )
