"""Objects made from checked values, and why one cannot be, each reason with its path."""

from collections.abc import Callable, Mapping
from typing import Any

from tocsin.configuration.settings import (
    given_in,
    keys_of,
    parameters_of,
    path_of,
)
from tocsin.pipeline.errors import ConfigError

_Misfit = tuple[tuple[int | str, ...], str]  # where something does not go together, and why


def construct(target: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """`target` made from checked values by key; keys that are not its own are passed over.

    Raises ConfigError where the values do not go together.
    """
    wrong: list[_Misfit] = []
    made = _tried(target, values, (), wrong)
    if wrong:
        told = (
            f"{path_of('', place).lstrip('.')}: {why}" if place else why for place, why in wrong
        )
        raise ConfigError("; ".join(told))
    return made


def build(target: Callable[..., Any], values: Mapping[str, Any], at: str, wrong: list[str]) -> Any:
    """What `construct` makes; None, with every reason and its path in `wrong`, where it cannot."""
    misfits: list[_Misfit] = []
    made = _tried(target, values, (), misfits)
    wrong += [f"{path_of(at, place)}: {why}" for place, why in misfits]
    return made


def _tried(
    target: Callable[..., Any],
    values: Mapping[str, Any],
    place: tuple[int | str, ...],
    wrong: list[_Misfit],
) -> Any:
    """`target` from checked values; None, with the reasons added to `wrong`, where it cannot be."""
    given: dict[str, Any] = {}
    before = len(wrong)
    for parameter in parameters_of(target):
        key, inner = parameter.key, parameter.inner
        if inner is not None and not parameter.several:
            if parameter.needed or any(own in values for own in keys_of(inner)):
                given[parameter.name] = _tried(inner, values, place, wrong)
        elif inner is not None and key in values:
            given[parameter.name] = tuple(
                _tried(inner, given_in(part), (*place, key, number), wrong)
                for number, part in enumerate(values[key])
            )
        elif key in values:
            given[parameter.name] = values[key]
    if len(wrong) > before:
        return None
    try:
        _check_complete(target, given)
        return target(**given)
    except ConfigError as error:
        wrong.append((place, str(error)))
        return None


def _check_complete(target: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """A ConfigError for needed keys that are not there; a dataclass inside may make them needed."""
    missing = [p.key for p in parameters_of(target) if p.needed and p.name not in given]
    if missing:
        raise ConfigError(f"{', '.join(map(repr, missing))} must be given too")
