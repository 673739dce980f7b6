"""Other scorers' settings and states, held together by the wrappers around them."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, make_dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tocsin.detectors.catalogue import load
from tocsin.detectors.trained import Trained
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Batch, FloatArray, Scorer, Scores, Spec, Traits, frames_of

_ALONE = frozenset({"spike", "level_shift"})  # what shows in a channel without the others


class Inherited:
    """The traits of a wrapper: what all the scorers in its setting `of` declare.

    Looked up on a class, not on a scorer, it is the usual traits. A fault is named in `detects`
    where every inner scorer detects it; `alone` keeps those that show in a single channel.
    """

    def __init__(self, *, alone: bool = False) -> None:
        self.alone = alone

    def __get__(self, scorer: Any, owner: type[Any]) -> Traits:
        if scorer is None:
            return Traits()
        inner = [one.traits for one in inner_of(scorer)]
        detects = frozenset.intersection(*(one.detects for one in inner))
        return Traits(
            shift_free=all(one.shift_free for one in inner),
            scale_free=all(one.scale_free for one in inner),
            detects=detects & _ALONE if self.alone else detects,
            research=any(one.research for one in inner),
        )


def inherited(*, alone: bool = False) -> Any:
    """A class attribute `traits` that follows the setting `of`."""
    return Inherited(alone=alone)


def inner_of(wrapper: Any) -> tuple[Scorer[Any], ...]:
    """The scorers in the setting `of`, one or several."""
    return wrapper.of if isinstance(wrapper.of, tuple) else (wrapper.of,)


def usual(name: str) -> Scorer[Any]:
    """The detector of that name with its default settings."""
    made: Scorer[Any] = load(name)()
    return made


def wrappable(scorer: Scorer[Any], wrapper: str) -> None:
    """Refuse what cannot be wrapped: no scorer, one of frames, or one model over all series."""
    traits = getattr(scorer, "traits", None)
    if not isinstance(traits, Traits):
        raise ConfigError(f"{wrapper} needs scorers in `of`; found {scorer!r}")
    if traits.item != "channels" or traits.shared:
        kind = "frames" if traits.item != "channels" else "one model over all series"
        raise ConfigError(
            f"{wrapper} wraps scorers of channels that keep series apart; "
            f"{type(scorer).__name__} is of {kind}"
        )


def is_trainable(scorer: Scorer[Any]) -> bool:
    """Whether the scorer is fitted on clean history in one go."""
    return hasattr(scorer, "fit")


def gathered(states: Sequence[Any]) -> Any:
    """States as the fields `s0`, `s1`, … of one dataclass, so that they are saved together."""
    return _layout(len(states))(*states)


def parts_of(members: Any) -> list[Any]:
    """The states that `gathered` put together."""
    return [getattr(members, field.name) for field in fields(members)]


def spec_for(scorer: Scorer[Any], spec: Spec) -> Spec:
    """The spec of an inner scorer: as many frames as it needs, the same channels."""
    return Spec(spec.item, frames_of(scorer), spec.channels)


def newest(batch: Batch, scorer: Scorer[Any]) -> Batch:
    """The batch with as many frames as an inner scorer needs."""
    return Batch(batch.key, batch.time, batch.values[:, -frames_of(scorer) :])


def advanced(scorer: Scorer[Any], state: Any, batch: Batch) -> Scores:
    """Scores of rows that are scored, then learned, by the fast path where there is one."""
    fast = getattr(scorer, "advance", None)
    if fast is not None:
        found: Scores = fast(state, batch)
        return found
    if not len(batch):
        return scorer.score(state, batch)
    value, blame = [], []
    for tick in batch.ticks():
        scores = scorer.score(state, tick)
        scorer.learn(state, tick)
        value.append(scores.value)
        blame.append(blame_of(scores, tick))
    return Scores(np.concatenate(value), np.concatenate(blame))


def blame_of(scores: Scores, batch: Batch) -> FloatArray:
    """The blame (B, T, C) of scores; zeros where the scorer gives none."""
    return np.zeros(batch.values.shape) if scores.blame is None else scores.blame


def asked(scorer: Scorer[Any], method: str, state: Any, batch: Batch) -> Any:
    """What an inner scorer tells by an optional method; None where it has none or cannot tell."""
    ask = getattr(scorer, method, None)
    return None if ask is None else ask(state, newest(batch, scorer))


def expecting(scorer: Scorer[Any]) -> bool:
    """Whether the scorer can ever say what it expects; a wrapper can where one inside can."""
    if isinstance(scorer, Trained):
        return hasattr(scorer, "band")
    if isinstance(vars(type(scorer)).get("traits"), Inherited):
        return hasattr(scorer, "expects") and any(map(expecting, inner_of(scorer)))
    return hasattr(scorer, "expects")


def attributed(
    asking: Iterable[tuple[FloatArray, Scorer[Any], Any, Batch]],
) -> FloatArray | None:
    """The shares (B, C) that inner scorers put down to covariates, as a mean.

    Each weighs by its part (B,) in the rows' scores, and is asked where that is above 0; those that
    tell nothing of a row weigh nothing there. None where no scorer can ever tell.
    """
    total: FloatArray | None = None
    heard = np.zeros(0)
    for weight, scorer, state, batch in asking:
        mine = weight > 0.0
        shares = asked(scorer, "attribute", state, batch.take(mine))
        if shares is None:
            continue
        if total is None:
            total, heard = np.zeros((len(batch), batch.values.shape[2])), np.zeros(len(batch))
        total[mine] += weight[mine, None] * shares
        heard[mine] += np.where(shares.any(axis=1), weight[mine], 0.0)
    return None if total is None else total / np.where(heard > 0.0, heard, 1.0)[:, None]


def covariates_of(scorers: Iterable[Scorer[Any]]) -> tuple[int, ...]:
    """The places of the channels that any of the scorers reads as covariates, each once."""
    places = (place for scorer in scorers for place in getattr(scorer, "covariates", ()))
    return tuple(dict.fromkeys(places))


@lru_cache(maxsize=256)
def _layout(count: int) -> type[Any]:
    return make_dataclass("Members", [(f"s{i}", Any) for i in range(count)])
