"""The anomaly kinds, and how one is planted into clean series so that its label is exact.

`KINDS` lists them by name; `KINDS["stuck"].says` is what one does in a sentence. The kinds of
`HELD_OUT` are never used to train anything; they are there to validate on.

>>> len(KINDS), KINDS["stuck"].says
(29, 'The value before the stretch, repeated to the last digit.')
>>> [name for name, kind in KINDS.items() if kind.needs_channels]
['correlation_break', 'channel_swap', 'lag_change', 'channel_frozen', 'common_jump']
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tocsin.evaluation.datasets import kinds_channels as channels
from tocsin.evaluation.datasets import kinds_shapes as shapes
from tocsin.evaluation.datasets import kinds_values as values
from tocsin.evaluation.datasets.kinds_scene import Scene, visible
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray

Alone = Callable[[np.random.Generator, Scene, int, int], FloatArray]
Together = Callable[[np.random.Generator, list[Scene], int, int], dict[int, FloatArray] | None]

_SEVERAL = 0.25  # share of anomalies in several channels at once, of those that need only one
_LEAST = 0.1  # of the scene's unit; smaller changes at the ends of a stretch are undone
_TRANSITION = (8, 64)  # rows; the least and most that are labelled of a change that stays


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to be wrong: `alone` alters one series, `together` several channels of one.

    It lasts `shortest` to `longest` rows, or cycles of the series' rhythm where `cyclic`; short
    stretches come more often. A share `persists` of the anomalies stays to the end of the series
    and is labelled only while it sets in. Of a kind that is `apart`, the altered rows are labelled
    and not what lies between them. `weight` says how often it comes in a corpus.
    """

    alone: Alone | None
    together: Together | None
    shortest: float
    longest: float
    cyclic: bool = False
    persists: float = 0.0
    apart: bool = False
    weight: float = 1.0

    @property
    def needs_channels(self) -> bool:
        """Whether it takes two channels that go together."""
        return self.together is not None

    @property
    def says(self) -> str:
        """What the kind does, in a sentence."""
        change = self.alone or self.together
        return (change.__doc__ or "").partition("\n")[0]


KINDS: dict[str, Kind] = {
    "spike": Kind(values.spike, None, 1, 2, weight=1.4),
    "spikes": Kind(values.spikes, None, 8, 60, apart=True),
    "dip": Kind(values.dip, None, 4, 50),
    "level_shift": Kind(values.level_shift, None, 10, 200, persists=0.5),
    "trend_change": Kind(values.trend_change, None, 30, 200, persists=0.5),
    "drift": Kind(values.drift, None, 40, 220),
    "noisy": Kind(values.noisy, None, 10, 150, persists=0.2),
    "flat": Kind(values.flat, None, 10, 120),
    "stuck": Kind(values.stuck, None, 8, 120),
    "smooth": Kind(values.smooth, None, 12, 150),
    "ringing": Kind(values.ringing, None, 10, 80),
    "amplitude": Kind(values.amplitude, None, 15, 200, persists=0.2),
    "saturated": Kind(values.saturated, None, 20, 150),
    "quantised": Kind(values.quantised, None, 20, 150),
    "dropout": Kind(values.dropout, None, 1, 60),
    "speed": Kind(shapes.speed, None, 1.5, 6, cyclic=True, weight=2.0),
    "phase_jump": Kind(shapes.phase_jump, None, 1, 5, cyclic=True, persists=0.3, weight=2.5),
    "reversed": Kind(shapes.reversed_time, None, 12, 160, weight=2.0),
    "negated": Kind(shapes.negated, None, 8, 160, weight=2.0),
    "foreign": Kind(shapes.foreign, None, 12, 140, weight=1.4),
    "missing_cycle": Kind(shapes.missing_cycle, None, 0.7, 1.2, cyclic=True, weight=2.0),
    "extra_cycle": Kind(shapes.extra_cycle, None, 0.7, 1.1, cyclic=True, weight=1.5),
    "out_of_place": Kind(shapes.out_of_place, None, 0.1, 0.6, cyclic=True, weight=2.5),
    "held_too_long": Kind(shapes.held_too_long, None, 15, 150, weight=1.4),
    "correlation_break": Kind(None, channels.correlation_break, 20, 220, weight=3.0),
    "channel_swap": Kind(None, channels.channel_swap, 8, 150, weight=1.5),
    "lag_change": Kind(None, channels.lag_change, 20, 220, weight=2.0),
    "channel_frozen": Kind(None, channels.channel_frozen, 8, 150, weight=1.5),
    "common_jump": Kind(None, channels.common_jump, 1, 60, weight=1.5),
}
HELD_OUT = frozenset({"quantised", "extra_cycle"})


@dataclass(frozen=True, slots=True)
class Planted:
    """One anomaly: `values` (T, C) with it, and `wrong` (T, C) which channels of which rows.

    Rows outside `wrong` are as they were, but for the rows after it where the change `stays`, and
    rows inside it are altered, but for single ones that the anomaly happens to leave as they were.
    """

    values: FloatArray
    wrong: BoolArray
    stays: bool


def plant(
    rng: np.random.Generator,
    kind: Kind,
    scenes: list[Scene],
    *,
    within: tuple[int, int] | None = None,
) -> Planted | None:
    """One anomaly somewhere in the channels (one scene each), or None where nobody could see it.

    It is also None where the series cannot have it: no rhythm, no related channels, no room. With
    `within`, first and last row, it stands between these rows and never stays to the end.
    """
    low, high = within or (0, len(scenes[0].clean) - 1)
    chosen = _channels(rng, kind, len(scenes))
    place = _place(rng, kind, scenes[chosen[0]], low, high)
    if place is None:
        return None
    first, last = place
    stays = within is None and rng.random() < kind.persists
    end = len(scenes[0].clean) - 1 if stays else last
    if kind.together is not None:
        new = kind.together(rng, scenes, first, last) or {}
    else:
        new = _alone(rng, kind, {i: scenes[i] for i in chosen}, first, end)
    planted = _with(scenes, new, first)
    for channel in new:
        _label(kind, scenes[channel], planted, channel, stays=stays)
        rows = np.flatnonzero(planted.wrong[:, channel])
        if not kind.needs_channels and not (
            rows.size
            and visible(scenes[channel], planted.values[:, channel], int(rows[0]), int(rows[-1]))
        ):
            planted.values[:, channel] = scenes[channel].clean
            planted.wrong[:, channel] = False
    return Planted(planted.values, planted.wrong, stays) if planted.wrong.any() else None


def named(names: tuple[str, ...] | list[str]) -> dict[str, Kind]:
    """The kinds of these names, in this order; all if there are none.

    Raises a TocsinError that lists the kinds for a name that is not one of them.
    """
    wrong = [name for name in names if name not in KINDS]
    if wrong:
        raise TocsinError(f"no anomaly kind is called {wrong[0]!r}; there are {', '.join(KINDS)}")
    return {name: KINDS[name] for name in names or KINDS}


def _channels(rng: np.random.Generator, kind: Kind, count: int) -> list[int]:
    """The channels to alter, in random order."""
    order: list[int] = rng.permutation(count).tolist()
    if kind.needs_channels or count == 1 or rng.random() >= _SEVERAL:
        return order[:1]
    return order[: int(rng.integers(2, count + 1))]


def _place(
    rng: np.random.Generator, kind: Kind, scene: Scene, low: int, high: int
) -> tuple[int, int] | None:
    """First and last row of the stretch; it takes at most a third of the rows that there are."""
    if kind.cyclic and not scene.period:
        return None
    unit = scene.period if kind.cyclic else 1
    room = (high - low + 1) // 3
    shortest, longest = kind.shortest * unit, min(kind.longest * unit, room)
    if shortest > longest:
        return None
    rows = max(int(np.exp(rng.uniform(np.log(shortest), np.log(longest + 0.999)))), 1)
    first = low + int(rng.integers(0, high - low + 2 - rows))
    return first, first + rows - 1


def _alone(
    rng: np.random.Generator, kind: Kind, scenes: dict[int, Scene], first: int, last: int
) -> dict[int, FloatArray]:
    if kind.alone is None:
        return {}
    return {i: kind.alone(rng, scene, first, last) for i, scene in scenes.items()}


def _with(scenes: list[Scene], new: dict[int, FloatArray], first: int) -> Planted:
    """The clean channels with the new stretches in them, and nothing labelled yet."""
    altered = np.stack([scene.clean for scene in scenes], axis=1)
    for channel, stretch in new.items():
        altered[first : first + len(stretch), channel] = stretch
    return Planted(altered, np.zeros(altered.shape, dtype=np.bool_), stays=False)


def _label(kind: Kind, scene: Scene, planted: Planted, channel: int, *, stays: bool) -> None:
    """Mark, in place, the rows of a channel that are wrong, and undo what nobody sees at its ends.

    They are the rows from the first plainly altered one to the last.
    """
    away = np.abs(planted.values[:, channel] - scene.clean)
    rows = np.flatnonzero(away > _LEAST * scene.unit)
    first, last = (int(rows[0]), int(rows[-1])) if rows.size else (len(away), len(away))
    planted.values[:first, channel] = scene.clean[:first]
    planted.values[last + 1 :, channel] = scene.clean[last + 1 :]
    if kind.apart:
        planted.wrong[rows, channel] = True
        return
    if stays and rows.size:
        least, most = _TRANSITION
        plain = np.flatnonzero(away >= 0.7 * scene.spread)
        set_in = int(plain[0]) - first + 1 if plain.size else most
        last = min(first + min(max(set_in, least), most) - 1, last)
    planted.wrong[first : last + 1, channel] = True
