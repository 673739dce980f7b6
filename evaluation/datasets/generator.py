"""Labelled series of our own making: windows to train on, and long series to test and compare with.

Everything is drawn from a seed. `tocsin.evaluation.datasets.bases` has the clean signals and
`tocsin.evaluation.datasets.kinds` the anomalies; `list(KINDS)` names them.

>>> windows = corpus(np.random.default_rng(0), count=4, length=256)
>>> windows.values.shape, windows.label.shape
((4, 256, 1), (4, 256))
>>> series = next(generate(0, kinds=("level_shift",), length=2000))
>>> series.train, {event.kind for event in series.truth.events}
(500, {'level_shift'})
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.evaluation.datasets.bases import BASES, coupled, drawn, dressed, families
from tocsin.evaluation.datasets.bases_shapes import log_uniform
from tocsin.evaluation.datasets.kinds import HELD_OUT, KINDS, Kind, Planted, named, plant
from tocsin.evaluation.datasets.kinds_normal import repeated
from tocsin.evaluation.datasets.kinds_scene import Scene, scenes
from tocsin.evaluation.datasets.labelled import Event, Labelled, Stream, Truth, runs_of
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

CLEAN = -1  # the kind of a window with nothing wrong

_CLEAN_SHARE = 0.2  # of windows into which nothing is planted
_REPEATED_SHARE = 0.14  # of windows in which the same event is normal; most of them stay clean
_REPEATED_PLANTED = 0.25  # of those, into which an anomaly is planted all the same
_TOGETHER_SHARE = 0.4  # of anomalies that are one between channels, where there are channels
_MORE_EVENTS = 0.3  # of windows with an anomaly, which get a second and perhaps a third
_TRIES = 3  # places tried for a kind, and kinds tried for a window
_GAPPY = 0.15  # share of windows and series with missing values
_SHORTEST = 64  # rows of a window
_SLOT = 240  # rows of a long series for each event, with the quiet around it
_DRIFTING = 0.5  # share of long series that drift slowly, which is not an anomaly
_STEP_NS = 60_000_000_000
_BEGIN_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Windows:
    """B windows of T rows and C channels with their truth.

    `values` (B, T, C) has NaN where a value is missing; `clean` (B, T, C) is the series before an
    anomaly was planted, with nothing missing. `by_channel` (B, T, C) says which values are wrong
    and `label` (B, T) which rows. `kind` (B,) is a number in the order of `KINDS`, or `CLEAN`;
    `family` (B,) one in the order of `BASES`.
    """

    values: FloatArray
    clean: FloatArray
    label: BoolArray
    by_channel: BoolArray
    kind: IntArray
    family: IntArray


def corpus(
    rng: np.random.Generator,
    count: int,
    length: int,
    channels: int = 1,
    *,
    held_out: bool = False,
) -> Windows:
    """Labelled windows, each a series of its own; about a third of them have nothing wrong.

    With `held_out` they are of families that are never drawn without it, and have all kinds of
    anomalies; without it they have the kinds that are not held out. Raises a TocsinError for
    windows of fewer than 64 rows.
    """
    if count < 1 or channels < 1 or length < _SHORTEST:
        raise TocsinError(
            f"a corpus needs a window, a channel and {_SHORTEST} rows; found count={count}, "
            f"channels={channels}, length={length}"
        )
    pool = families(held_out=held_out)
    family = rng.choice(pool, count)
    clean = _clean(rng, family, length, channels, pool)  # (B, T, C)
    series = clean.transpose(0, 2, 1).reshape(count * channels, length)
    seen = scenes(series, np.roll(series, channels, axis=0))
    again = rng.random(count) < _REPEATED_SHARE  # (B,)
    _repeat(rng, np.flatnonzero(again), clean, seen)
    chance = np.where(again, _REPEATED_PLANTED, 1.0 - _CLEAN_SHARE)
    values, wrong = clean.copy(), np.zeros(clean.shape, dtype=np.bool_)
    kind = np.full(count, CLEAN, dtype=np.int64)
    usable = _usable(held_out=held_out)
    for one in np.flatnonzero(rng.random(count) < chance).tolist():
        own = seen[one * channels : (one + 1) * channels]
        kind[one] = _spoil(rng, own, usable, values[one], wrong[one])
    _lose(rng, values, wrong)
    return Windows(values, clean, _rows(wrong), wrong, kind, family)


def generate(
    seed: int,
    *,
    kinds: Sequence[str] = (),
    channels: int = 1,
    length: int = 8000,
    series: int = 4,
) -> Iterator[Labelled]:
    """Long labelled series: a clean prefix of a quarter, then events with quiet between them.

    `kinds` names the anomalies; without it all that so many channels can have. They take turns
    within and across the series, so that each comes several times. Half of the series drift, some
    miss values; neither is labelled. Family follows family, in the order of `BASES`. A series in
    which no event of these kinds could be seen is drawn anew. Raises a TocsinError for an unknown
    kind, one that needs more channels, and a series without room for an event.
    """
    chosen = named(tuple(kinds))
    if not kinds and channels == 1:
        chosen = {name: kind for name, kind in chosen.items() if not kind.needs_channels}
    alone = [name for name, kind in chosen.items() if kind.needs_channels and channels < 2]
    if alone:
        raise TocsinError(f"{alone[0]} needs two channels; found channels={channels}")
    if channels < 1 or length < 4 * _SLOT:
        raise TocsinError(
            f"a series needs a channel and {4 * _SLOT} rows; found channels={channels}, "
            f"length={length}"
        )
    for number in range(series):
        yield _series(seed, number, chosen, channels, length)


def _clean(
    rng: np.random.Generator, family: IntArray, length: int, channels: int, pool: IntArray
) -> FloatArray:
    if channels == 1:
        return dressed(rng, drawn(rng, family, length))[:, :, None]
    return coupled(rng, family, length, channels, pool)


def _repeat(
    rng: np.random.Generator, windows: IntArray, clean: FloatArray, seen: list[Scene]
) -> None:
    """Make an event normal in one channel of these windows of (B, T, C), in place."""
    if not windows.size:
        return
    channel = rng.integers(0, clean.shape[2], len(windows))
    places = (windows * clean.shape[2] + channel).tolist()
    fuller = np.stack([repeated(rng, seen[place]) for place in places])
    clean[windows, :, channel] = fuller
    donors = np.stack([seen[place].donor for place in places])
    for place, scene in zip(places, scenes(fuller, donors), strict=True):
        seen[place] = scene


def _usable(*, held_out: bool) -> dict[int, Kind]:
    """Kinds by number: all of them to validate with, and the ones not held out to train with."""
    return {
        number: kind
        for number, (name, kind) in enumerate(KINDS.items())
        if held_out or name not in HELD_OUT
    }


def _spoil(
    rng: np.random.Generator,
    seen: list[Scene],
    usable: dict[int, Kind],
    values: FloatArray,
    wrong: BoolArray,
) -> int:
    """Plant one to three anomalies of one kind into a window, in place, and give its number.

    That is `CLEAN`, and the window as it was, where none of the kinds tried could be seen.
    """
    rhythm = any(scene.period for scene in seen)
    together = len(seen) > 1 and rng.random() < _TOGETHER_SHARE
    numbers = [
        number
        for number, kind in usable.items()
        if kind.needs_channels == together and (rhythm or not kind.cyclic)
    ]
    weight = np.array([usable[number].weight for number in numbers])
    for number in rng.choice(numbers, _TRIES, p=weight / weight.sum()).tolist():
        planted = _tried(rng, usable[number], seen)
        if planted is None:
            continue
        _add(planted, seen, values, wrong)
        if not planted.stays and rng.random() < _MORE_EVENTS:
            for _ in range(int(rng.integers(1, 3))):
                again = plant(rng, usable[number], seen, within=(0, len(values) - 1))
                if again is not None and _clear(again.wrong, wrong):
                    _add(again, seen, values, wrong)
        return int(number)
    return CLEAN


def _tried(
    rng: np.random.Generator, kind: Kind, seen: list[Scene], within: tuple[int, int] | None = None
) -> Planted | None:
    for _ in range(_TRIES):
        planted = plant(rng, kind, seen, within=within)
        if planted is not None:
            return planted
    return None


def _clear(new: BoolArray, old: BoolArray) -> bool:
    """Whether an event keeps eight rows away from the ones that are there already."""
    rows, taken = np.flatnonzero(_rows(new)), _rows(old)
    return not taken[max(int(rows[0]) - 8, 0) : int(rows[-1]) + 9].any()


def _add(planted: Planted, seen: list[Scene], values: FloatArray, wrong: BoolArray) -> None:
    """Copy what an anomaly altered into the window (T, C), in place."""
    for channel, scene in enumerate(seen):
        changed = planted.values[:, channel] != scene.clean
        values[changed, channel] = planted.values[changed, channel]
    wrong |= planted.wrong


def _lose(rng: np.random.Generator, values: FloatArray, wrong: BoolArray) -> None:
    """Lose single values and gaps of some of the windows (B, T, C), in place.

    Of what is wrong with a channel, less than half is lost: an anomaly is there to be seen.
    """
    count, length, channels = values.shape
    for one in np.flatnonzero(rng.random(count) < _GAPPY).tolist():
        lost = rng.random((length, channels)) < log_uniform(rng, 0.001, 0.08, 1)
        for _ in range(int(rng.integers(0, 4))):
            rows = int(log_uniform(rng, 2.0, length / 12.0, 1)[0])
            first = int(rng.integers(0, length - rows))
            blind = slice(None) if rng.random() < 0.5 else int(rng.integers(channels))
            lost[first : first + rows, blind] = True
        hidden = (lost & wrong[one]).sum(axis=0) * 2 >= wrong[one].sum(axis=0)  # (C,)
        lost &= ~(wrong[one] & hidden)
        values[one][lost] = np.nan


def _series(seed: int, number: int, kinds: dict[str, Kind], channels: int, length: int) -> Labelled:
    """One long series with at least one event; drawn until there is one."""
    everything = np.arange(len(BASES))
    for attempt in range(100):
        rng = np.random.default_rng([seed, number, attempt])
        family = np.array([(number + attempt) % len(BASES)])
        clean = _clean(rng, family, length, channels, everything)
        if rng.random() < _DRIFTING:
            slope = rng.normal(0.0, 1.5, channels) * clean.std(axis=(0, 1))
            clean += np.linspace(0.0, 1.0, length)[:, None] * slope
        values, wrong = clean[0].copy(), np.zeros((length, channels), dtype=np.bool_)
        names = tuple(f"c{i}" for i in range(channels))
        events = _events(rng, clean[0], kinds, values, wrong)
        if not events:
            continue
        _lose(rng, values[None], wrong[None])
        time = _BEGIN_NS + _STEP_NS * np.arange(length, dtype=np.int64)
        stream = Stream(f"{seed}/{number}-{list(BASES)[int(family[0])]}", names, time, values)
        truth = Truth(_rows(wrong), wrong, events)
        return Labelled("generated", stream, truth, length // 4, "tocsin", "Apache-2.0")
    raise TocsinError(f"no series of {length} rows shows any of {', '.join(kinds)}")


def _events(
    rng: np.random.Generator,
    clean: FloatArray,
    kinds: dict[str, Kind],
    values: FloatArray,
    wrong: BoolArray,
) -> tuple[Event, ...]:
    """Plant an event into most slots after the clean prefix, in place, the kinds in turn."""
    length, channels = clean.shape
    family = rng.integers(0, len(BASES), (channels,))
    donors = dressed(rng, drawn(rng, family, length))
    seen = scenes(np.ascontiguousarray(clean.T), donors)
    events: list[Event] = []
    waiting = rng.permutation(list(kinds)).tolist()
    for low in range(length // 4, length - _SLOT + 1, _SLOT):
        margin = _SLOT // 8
        within = (low + margin, low + _SLOT - margin - 1)
        for name in list(waiting):
            planted = _tried(rng, kinds[name], seen, within)
            if planted is not None:
                _add(planted, seen, values, wrong)
                events += _of(planted.wrong, name)
                waiting.remove(name)
                waiting.append(name)
                break
    return tuple(events)


def _of(wrong: BoolArray, kind: str) -> list[Event]:
    """The runs of one anomaly, with the channels that are at fault in each."""
    return [
        Event(first, last, kind, _blamed(wrong[first : last + 1]))
        for first, last in runs_of(_rows(wrong))
    ]


def _rows(wrong: BoolArray) -> BoolArray:
    """Rows in which any channel (the last axis) is wrong."""
    any_channel: BoolArray = np.logical_or.reduce(wrong, axis=-1)
    return any_channel


def _blamed(wrong: BoolArray) -> tuple[str, ...]:
    return tuple(f"c{i}" for i in np.flatnonzero(wrong.any(axis=0)))
