"""The stages that the sections of a configuration stand for, each checked on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

from tocsin.configuration.making import build
from tocsin.configuration.settings import Section, given_in, known_zone, nearest
from tocsin.configuration.shape import Defaults, Scoring, SeriesRule
from tocsin.configuration.stages import calibrator, threshold
from tocsin.pipeline.calibration.drift import DriftWatch, refuse_uneven
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.grouping import Grouping
from tocsin.pipeline.health import Health, Limits
from tocsin.pipeline.order import Order
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.selftest.settings import SelfTest
from tocsin.pipeline.window import Window


def zone_of(raw: Mapping[str, Any]) -> str:
    """The zone of times that name none: `defaults.timezone`, UTC where that is none or wrong."""
    defaults = raw.get("defaults")
    zone = defaults.get("timezone") if isinstance(defaults, dict) else None
    return zone if isinstance(zone, str) and known_zone(zone) else "UTC"


def stages_of(
    given: Mapping[str, Any], common: Mapping[str, Any], zone: str, wrong: list[str]
) -> dict[str, Any]:
    """The stages after the detector, by name; mistakes are added to `wrong`.

    `common` are the keys of the source that are the pipeline's, `zone` the one of calendars that
    name none.
    """
    learn = {"learn": given.get("defaults", Defaults()).learn}
    scoring = given.get("scoring", Scoring())
    rule = getattr(given.get("thresholds"), "default", None)
    late = {"lateness": "allowed_lateness", "max_ahead": "max_ahead"}
    order = {key: common[name] for key, name in late.items() if name in common}
    stages = {
        "calibrator": calibrator(scoring.calibrate, wrong),
        "threshold": threshold(rule, wrong),
        "order": _stage(Order, order, "sources", wrong),
        "grid": _stage(Grid, given["grid"], "grid", wrong) if given.get("grid") else None,
        "window": _stage(Window, given.get("windows"), "windows", wrong),
        "health": _stage(Health, given.get("health"), "health", wrong),
        "gate": _stage(Gate, _values(given.get("learning")) | learn, "learning", wrong),
        "rules": _stage(Rules, _zoned(given.get("rules"), zone), "rules", wrong),
        "episodes": _stage(Episodes, given.get("events"), "events", wrong),
        "abstention": None,
        "selftest": None,
        "grouping": None,
        "drift": None,
        "retention": None,
    }
    group = getattr(given.get("events"), "group", None)
    if group is not None:
        stages["grouping"] = _stage(Grouping, group, "events.group", wrong)
    if given.get("selftest") is not None:
        stages["selftest"] = _stage(SelfTest, given["selftest"], "selftest", wrong)
    if scoring.abstain is not None:
        stages["abstention"] = _stage(Abstention, scoring.abstain, "scoring.abstain", wrong)
    if scoring.drift is not None:
        stages["drift"] = _watch(scoring.drift, stages["calibrator"], wrong)
    if stages["health"] is not None:
        limits = tuple(_limits(rule) for rule in given.get("series", ()))
        stages["health"] = replace(stages["health"], limits=limits)
    if given.get("retention") is not None:
        stages["retention"] = _retention(given["retention"], stages["order"], wrong)
    return stages | {"max_series": given.get("max_series", 1_000_000)}


def refuse_unmatched(stages: Mapping[str, Any], channels: Sequence[str], wrong: list[str]) -> None:
    """Add to `wrong` the rules for channels of which there are none; `channels` may be unknown."""
    health, rules = stages["health"], stages["rules"]
    limits = () if health is None else health.limits
    sizes = () if rules is None else rules.sizes
    asked = [(f"$.series[{n}].match.channel", each.channel) for n, each in enumerate(limits)]
    asked += [(f"$.rules.sizes[{n}].channel", each.channel) for n, each in enumerate(sizes)]
    for at, pattern in asked:
        if channels and not any(fnmatchcase(channel, pattern) for channel in channels):
            hint = nearest(pattern, channels)
            wrong.append(f"{at}: {pattern!r} matches no channel of the source; {hint}")


def _stage(target: type[Any], section: object, at: str, wrong: list[str]) -> Any:
    """A stage from its section; None, and the reason added to `wrong`, where that cannot be."""
    return build(target, _values(section), f"$.{at}", wrong)


def _retention(section: object, order: Order | None, wrong: list[str]) -> Any:
    """How long series are remembered; None, and the reason in `wrong`, where that cannot be."""
    made = _stage(Retention, section, "retention", wrong)
    if made is None or order is None:
        return made
    try:
        made.refuse_lateness(order.lateness_ns)
    except ConfigError as error:
        wrong.append(f"$.retention.after: {error}")
    return made


def _watch(section: object, calibrator: object, wrong: list[str]) -> Any:
    """The drift watch; None, and the reason added to `wrong`, where that cannot be."""
    try:
        refuse_uneven(calibrator)
    except ConfigError as error:
        wrong.append(f"$.scoring.drift: {error}")
        return None
    return _stage(DriftWatch, section, "scoring.drift", wrong)


def server_of(section: object, wrong: list[str]) -> Any:
    """The server of metrics and health; None where none is asked for or it cannot be had."""
    if section is None:
        return None
    try:
        target = import_module("tocsin.connectors.prometheus_server").Server
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tocsin"):
            raise
        wrong.append(f"$.server: needs {error.name}: pip install 'tocsin[metrics]'")
        return None
    return _stage(target, section, "server", wrong)


def _zoned(rules: object, zone: str) -> dict[str, Any]:
    """The rules with a zone in each of their calendars."""
    values = _values(rules)
    if "calendars" in values:
        values["calendars"] = [
            each
            if "timezone" in each.model_fields_set
            else each.model_copy(update={"timezone": zone})
            for each in values["calendars"]
        ]
    return values


def _limits(rule: SeriesRule) -> Limits:
    low, high = rule.bounds()
    return Limits(
        series=rule.match.series,
        channel=rule.match.channel,
        low=low,
        high=high,
        stale_after_ns=rule.stale_after,
    )


def _values(section: Any) -> dict[str, Any]:
    """The given keys of a section."""
    if isinstance(section, Section):
        return given_in(section)
    return dict(section or {})
