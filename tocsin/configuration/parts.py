"""Sources, detectors, sinks and dead letters: the parts of a configuration that have a type."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_origin

from tocsin.configuration.making import build
from tocsin.configuration.settings import (
    PLACES,
    Section,
    check,
    hints_of,
    keys_of,
    model_of,
    nearest,
    scorers_in,
    shown,
)
from tocsin.configuration.shape import SourceCommon, Typed
from tocsin.connectors import catalogue as connectors
from tocsin.connectors.catalogue import Role
from tocsin.detectors import catalogue as detectors
from tocsin.pipeline.errors import ConfigError

Kind = Literal["sources", "detectors", "sinks", "dead_letters"]

_ROLES: dict[Kind, Role] = {
    "sources": "source",
    "sinks": "sink",
    "dead_letters": "dead_letters",
}
_IN_CODE = "memory"  # rows in memory can only be given by code


@dataclass(frozen=True, slots=True)
class Made:
    """A part: what it is made from, the object, and the keys that are not the object's own.

    `made` is None where something was wrong.
    """

    type: str = ""
    made: Any = None
    common: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands: its section and name, its path, and the folder of the file.

    `channels` are those that the file's source lists, in their order.
    """

    kind: Kind
    name: str
    folder: Path
    timezone: str = "UTC"
    channels: tuple[str, ...] = ()

    @property
    def at(self) -> str:
        """The path, such as `$.sources.scada`."""
        return f"$.{self.kind}.{self.name}".rstrip(".")


def make_part(place: Place, given: object, wrong: list[str]) -> Made:
    """The object a part stands for; what is wrong with it is added to `wrong`."""
    if not isinstance(given, dict):
        wrong.append(f"{place.at}: found {shown(given)}, wanted a map with a type")
        return Made()
    if not isinstance(given.get("type"), str):
        known = ", ".join(types_of(place.kind))
        wrong.append(f"{place.at}.type: is missing; wanted one of {known}")
        return Made()
    kind: str = given["type"]
    try:
        target = load(place.kind, kind)
    except ConfigError as error:
        wrong.append(f"{place.at}.type: {error}")
        return Made()
    placed, unknown = _by_place(given, place)
    section = section_of(place.kind, target)
    values, mistakes = check(section, placed, place.at, place.folder, place.timezone)
    wrong += unknown or mistakes
    if unknown or mistakes:
        return Made(kind)
    values, whole = with_inner(target, values, place, wrong)
    made = _object(target, values, place, wrong) if whole else None
    if made is None:
        return Made(kind)
    return Made(kind, made, {k: values[k] for k in SourceCommon.model_fields if k in values})


def _by_place(given: dict[str, Any], place: Place) -> tuple[dict[str, Any], list[str]]:
    """A detector with the channels that it names as their places; and what is wrong with them."""
    placed, wrong = dict(given), list[str]()
    for key in PLACES & given.keys() if place.kind == "detectors" else ():
        if not isinstance(given[key], list):
            continue
        placed[key] = list(given[key])
        for number, name in enumerate(given[key]):
            if not isinstance(name, str):
                continue
            if name in place.channels:
                placed[key][number] = place.channels.index(name)
            else:
                known = nearest(name, place.channels) if place.channels else "the source lists none"
                wrong.append(f"{place.at}.{key}[{number}]: no channel is called {name!r}; {known}")
    return placed, wrong


def _object(target: type[Any], values: Mapping[str, Any], place: Place, wrong: list[str]) -> Any:
    """The object; None, with the reason added to `wrong`, where the values do not go together."""
    if "stream" in hints_of(target):
        return target(sys.stdout)
    return build(target, _with_defaults(target, values, place), place.at, wrong)


def with_inner(
    target: type[Any], values: dict[str, Any], place: Place, wrong: list[str]
) -> tuple[dict[str, Any], bool]:
    """The values with the detectors among them made; and whether all of them could be.

    A detector that takes detectors has each as a map with a type of its own, or as a scorer.
    """
    made, whole = dict(values), True
    for key, hint in hints_of(target).items():
        if key not in values or not scorers_in(hint):
            continue
        several = get_origin(hint) is tuple
        found = []
        for number, given in enumerate(values[key] if several else [values[key]]):
            if hasattr(given, "score"):
                found.append(given)
                continue
            name = f"{place.name}.{key}[{number}]" if several else f"{place.name}.{key}"
            inner = make_part(replace(place, name=name), given, wrong)
            found.append(inner.made)
            whole = whole and inner.made is not None
        made[key] = tuple(found) if several else found[0]
    return made, whole


def types_of(kind: Kind) -> list[str]:
    """The types that a part of a section may have."""
    if kind == "detectors":
        return sorted(detectors.entries())
    role = _ROLES[kind]
    return sorted(name for of, name in connectors.CATALOGUE if of == role and name != _IN_CODE)


def load(kind: Kind, name: str) -> type[Any]:
    """The class of a type; a ConfigError names the nearest where there is none."""
    if kind == "detectors":
        return detectors.load(name)
    if name == _IN_CODE:
        raise ConfigError("'memory' is for tests in Python and cannot be configured")
    return connectors.find(_ROLES[kind], name).load()


def section_of(kind: Kind, target: type[Any]) -> type[Section]:
    """The keys of a part."""
    return model_of(target, SourceCommon if kind == "sources" else Typed)


def _with_defaults(target: type[Any], values: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
    """The file's time zone and the source's name, where the part says nothing of them."""
    keys = keys_of(target)
    if place.kind != "sources" or not {"time", "channels"} & set(values):
        return values
    usual = {"zone": place.timezone, "unkeyed": place.name}
    return {key: value for key, value in usual.items() if key in keys} | dict(values)
