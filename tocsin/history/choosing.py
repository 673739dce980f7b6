"""Which detector and settings rows are judged with when nobody has said: a plain rule."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tocsin.config import AUTO, Stages
from tocsin.configuration.making import construct
from tocsin.configuration.parts import Place, with_inner
from tocsin.configuration.settings import check, keys_of, model_of, nearest
from tocsin.detectors import catalogue
from tocsin.history.automatic import automatic
from tocsin.pipeline.durations import describe_duration, parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.order import Order
from tocsin.pipeline.state import settings_of
from tocsin.pipeline.threshold import AlertBudget, FixedTail, Threshold
from tocsin.pipeline.types import Scorer

# Rows to a false alarm that is put up with; at a row every five minutes that is one a week.
_ROWS_AN_ALARM = 2000
_MERGED_ROWS = 12
_FROZEN_ROWS = 288  # after so many rows of one incident, what it shows is learned
_NEVER_AHEAD = 1 << 62  # rows that are all there have no clock that could be broken

_OURS = ("budget", "alpha", "every")


@dataclass(frozen=True, slots=True)
class Choice:
    """The stages rows are judged with, and in words what was chosen and why."""

    stages: Stages
    words: Mapping[str, Any]


def choose(
    detector: str | Scorer[Any],
    channels: int,
    step_ns: int,
    settings: Mapping[str, Any],
    history: int = 0,
) -> Choice:
    """Stages for rows of `channels` channels that come every `step_ns` nanoseconds.

    `history` is how many rows of clean history a series has; "auto" goes by it.

    `settings` are the detector's own, and `budget` ("2/week"), `alpha` (a fixed tail) or `every`
    (a duration: gather the rows on a grid). A ConfigError names what is unknown or out of range.
    """
    own = {key: value for key, value in settings.items() if key not in _OURS}
    scorer, name, why = _scorer(detector, channels, own, history)
    every = settings.get("every")
    grid = None if every is None else Grid(_duration("every", every))
    row_ns = step_ns if grid is None else grid.every_ns
    threshold, words = _threshold(settings, row_ns)
    stages = Stages(
        scorer,
        threshold=threshold,
        order=Order(max_ahead_ns=_NEVER_AHEAD),
        grid=grid,
        gate=Gate("freeze_while_firing", _FROZEN_ROWS * row_ns, "learn"),
        episodes=Episodes(close_after_ns=_MERGED_ROWS * row_ns, merge_gap_ns=_MERGED_ROWS * row_ns),
    )
    settings = json.loads(settings_of(scorer))
    told = {
        "detector": name,
        "why": why,
        "settings": {name: settings[name] for name in settings if name != "kind"},
        "alarms": words,
        "learning": f"stops while an incident is open, for {_FROZEN_ROWS} rows at most",
        "step": describe_duration(row_ns),
    }
    return Choice(stages, told)


def _scorer(
    detector: str | Scorer[Any], channels: int, own: Mapping[str, Any], history: int
) -> tuple[Scorer[Any], str, str]:
    if not isinstance(detector, str):
        if own:
            raise ConfigError(f"a detector that is made already takes no settings; found {own}")
        return detector, type(detector).__name__, "it was given"
    if detector == AUTO:
        usual, why = automatic(channels, history)
        name = catalogue.name_of(type(usual))
        mine = {field.name: getattr(usual, field.name) for field in fields(usual)}  # type: ignore[arg-type] # scorers are dataclasses
        return (_made(name, mine | dict(own)) if own else usual), name, why
    if catalogue.find(detector).item == "frame":
        raise ConfigError(f"{detector!r} scores images; rows of channels need another detector")
    return _made(detector, own), detector, "it was asked for"


def _made(name: str, settings: Mapping[str, Any]) -> Scorer[Any]:
    target = catalogue.load(name)
    known = keys_of(target)
    unknown = [key for key in settings if key not in known]
    if unknown:
        hint = nearest(unknown[0], (*known, *_OURS))
        raise ConfigError(f"{name} has no setting {unknown[0]!r}; {hint}")
    given, wrong = check(model_of(target), dict(settings), at="")
    given, _ = with_inner(target, given, Place("detectors", name, Path()), wrong)
    if wrong:
        told = (line.removeprefix("$.detectors.").removeprefix(f"{name}.") for line in wrong)
        raise ConfigError(f"{name}: {'; '.join(line.removeprefix('.') for line in told)}")
    made: Scorer[Any] = construct(target, given)
    return made


def _threshold(settings: Mapping[str, Any], row_ns: int) -> tuple[Threshold[Any], str]:
    if "budget" in settings and "alpha" in settings:
        raise ConfigError("give either budget or alpha, one of the two")
    if settings.get("alpha") is not None:
        alpha = settings["alpha"]
        if not isinstance(alpha, int | float) or isinstance(alpha, bool):
            raise ConfigError(f"alpha is {alpha!r}, wanted a tail probability such as 1e-4")
        return FixedTail(float(alpha)), f"where the tail is under {alpha:g}"
    if settings.get("budget") is not None:
        budget = str(settings["budget"])
        return AlertBudget(budget), f"at most {budget} of normal rows"
    period = describe_duration(_ROWS_AN_ALARM * row_ns)
    words = f"at most one in {_ROWS_AN_ALARM} normal rows, here {period}"
    return AlertBudget(f"1/{_ROWS_AN_ALARM * row_ns}ns/series"), words


def _duration(name: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ConfigError(f"{name} is {given!r}, wanted a duration such as 30s or 5m")
    return parse_duration(given)
