"""Settings of a class from plain values: kinds and durations checked, mistakes told with a path.

What a class takes is read from its constructor, so a detector or connector states its settings
once. Three rules turn parameters into keys: `gap_ns` and `timeout_s` are given as the durations
`gap` and `timeout`, and `start_ns`, `from_ns` and `until_ns` as moments; a parameter that is itself
a dataclass is given by its own parameters, side by side with the others; and a tuple of text may be
one text.
"""

import difflib
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Optional, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from tocsin.connectors.times import parse_times
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Scorer

_DURATION = {"type": ["string", "number"], "description": "such as 30s, 5m or 1h30m; bare: seconds"}
_MOMENT = {"type": ["string", "number"], "description": "ISO 8601, or a number since 1970"}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
# Parameters that only code can give: clocks, streams, doubles for tests.
_IN_CODE = frozenset({"clock", "probe", "transport", "stream", "part"})


class Section(BaseModel):
    """A map of a configuration; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _mistake(text: str) -> PydanticCustomError:
    return PydanticCustomError("told", "{text}", {"text": text})


def _nanoseconds(given: object) -> int:
    if not isinstance(given, str | int | float) or isinstance(given, bool):
        raise _mistake(f"found {shown(given)}, wanted a duration such as 30s, 5m or 1h30m")
    try:
        duration = parse_duration(given)
    except (ConfigError, OverflowError) as error:
        raise _mistake(str(error)) from error
    if duration < 0:
        raise _mistake(f"{given!r} is less than nothing; wanted a duration")
    return duration


def _seconds(given: object) -> float:
    return _nanoseconds(given) / 1e9


def _moment(given: object, info: ValidationInfo) -> int:
    times, bad = parse_times([given], zone=(info.context or {}).get("zone", "UTC"))
    if bad:
        raise _mistake(bad[0])
    return int(times[0])


def known_zone(name: str) -> bool:
    """Whether a time zone of this name is known."""
    try:
        parse_times([], zone=name)
    except ConfigError:
        return False
    return True


def _zone(name: str) -> str:
    if not known_zone(name):
        raise _mistake(f"time zone {name!r} is not known; write one like Europe/Berlin")
    return name


def _texts(given: object) -> object:
    return (given,) if isinstance(given, str) else given


def _no_truth(given: object) -> object:
    """True and false are no numbers here, though Python counts them as 1 and 0."""
    if isinstance(given, bool):
        raise _mistake(f"found {shown(given)}, wanted a number")
    return given


def _beside(path: Path, info: ValidationInfo) -> Path:
    """A path as seen from the folder of the file that names it."""
    folder = (info.context or {}).get("folder")
    return path if folder is None else Path(folder) / path


_MOMENTS = frozenset({"start_ns", "from_ns", "until_ns"})
Nanoseconds = Annotated[int, BeforeValidator(_nanoseconds), WithJsonSchema(_DURATION)]
Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema(_DURATION)]
Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema(_MOMENT)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), WithJsonSchema(_TEXTS)]
Zone = Annotated[str, AfterValidator(_zone)]
File = Annotated[Path, AfterValidator(_beside)]
# Channels by their places; a file may name them, and `tocsin.configuration.parts` looks them up.
Places = Annotated[
    tuple[int, ...], WithJsonSchema({"type": "array", "items": {"type": ["integer", "string"]}})
]
PLACES = frozenset({"covariates"})
_KINDS: dict[Any, Any] = {
    int: Annotated[int, BeforeValidator(_no_truth)],
    float: Annotated[float, BeforeValidator(_no_truth)],
    tuple[str, ...]: Texts,
    Path: File,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constructor's parameter: its name there, its key and kind here.

    `inner` is the dataclass that it is, or that it is a tuple of, where there is one.
    """

    name: str
    key: str
    kind: Any
    needed: bool
    inner: type[Any] | None
    several: bool


def model_of(
    target: Callable[..., Any], base: type[Section] = Section, leave_out: Iterable[str] = ()
) -> type[Section]:
    """The section of a configuration that `target` is made from, on top of `base`.

    >>> from tocsin.pipeline.window import Window
    >>> sorted(model_of(Window).model_fields)
    ['gap', 'length']
    """
    fields = {
        key: (kind, Field() if needed else Field(default_factory=lambda: None))
        for key, (kind, needed) in _fields(target, frozenset(leave_out)).items()
    }
    made: type[Section] = create_model(target.__name__, __base__=base, **fields)  # type: ignore[call-overload] # the fields are known at run time only
    return made


def keys_of(target: Callable[..., Any], leave_out: Iterable[str] = ()) -> tuple[str, ...]:
    """The keys `target` is made from."""
    return tuple(_fields(target, frozenset(leave_out)))


def check(
    model: type[Section],
    values: object,
    at: str = "$",
    folder: Path | None = None,
    zone: str = "UTC",
) -> tuple[dict[str, Any], list[str]]:
    """The given keys with their values checked, and what is wrong, each with its path.

    A key with a mistake in it is left out. Paths are seen from `folder`; times that name no zone
    are local to `zone`.
    """
    context = {"folder": folder, "zone": zone}
    try:
        found = model.model_validate(values, context=context)
    except ValidationError as error:
        return _sound(model, values, error, context), problems(error, model, at)
    return given_in(found), []


def _sound(
    model: type[Section], values: object, error: ValidationError, context: Mapping[str, Any]
) -> dict[str, Any]:
    """The given keys without a mistake, with their values checked."""
    bad = {str(mistake["loc"][0]) for mistake in error.errors() if mistake["loc"]}
    if not isinstance(values, Mapping) or not bad:
        return {}
    spared: dict[str, Any] = dict.fromkeys(bad & model.model_fields.keys(), (Any, None))
    lenient = create_model(model.__name__, __base__=model, **spared)
    rest = {key: value for key, value in values.items() if key not in bad}
    try:
        return given_in(lenient.model_validate(rest, context=dict(context)))
    except ValidationError:  # keys that do not go together
        return {}


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name.

    >>> nearest("topik", ["topic", "group"])
    "did you mean 'topic'?"
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(sorted(known))}" if known else "nothing is known here"


def problems(error: ValidationError, model: type[BaseModel], at: str) -> list[str]:
    """Each mistake on a line: its path, what was found and what was wanted."""
    found = []
    for mistake in error.errors(include_url=False):
        place = tuple(mistake["loc"])
        if mistake["type"] == "extra_forbidden":
            known = _known_at(model, place[:-1])
            said = f"unknown key; {nearest(str(place[-1]), known)}"
        else:
            said = _said(mistake)
        found.append(f"{path_of(at, place)}: {said}")
    return found


def path_of(at: str, place: Iterable[int | str]) -> str:
    """A path such as `$.series[0].match`."""
    return at + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place)


_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "dict": "a map",
    "model": "a map",
    "mapping": "a map",
    "list": "a list",
    "tuple": "a list",
}


def _said(mistake: Any) -> str:
    kind: str = mistake["type"]
    if kind == "missing":
        return "is missing"
    if kind == "told":
        return str(mistake["msg"])
    if kind == "value_error":
        return str(mistake["ctx"]["error"])
    found = shown(mistake["input"])
    if kind == "literal_error":
        return f"found {found}, wanted {mistake['ctx']['expected']}"
    wanted = _WANTED.get(kind.partition("_")[0])
    if wanted and kind.endswith(("_type", "_parsing", "_from_float")):
        return f"found {found}, wanted {wanted}"
    return f"found {found}; {mistake['msg'][:1].lower()}{mistake['msg'][1:]}"


def shown(value: object) -> str:
    """A value in a few words, for an error."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_at(model: type[BaseModel], place: Iterable[int | str]) -> list[str]:
    """The keys a place inside a model knows."""
    kind: Any = model
    for step in place:
        kind = _inside(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and step in kind.model_fields:
            kind = kind.model_fields[str(step)].annotation
    kind = _inside(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    return []


def _inside(kind: Any) -> Any:
    """The model in an optional, a list or a map of models; anything else as it is."""
    for part in get_args(kind):
        inner = _inside(part)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return kind


def given_in(found: BaseModel) -> dict[str, Any]:
    """The keys that a section gives, with their values."""
    return {key: getattr(found, key) for key in found.model_fields_set}


def _fields(target: Callable[..., Any], leave_out: frozenset[str]) -> dict[str, tuple[Any, bool]]:
    """Kind of each key and whether it is needed."""
    fields: dict[str, tuple[Any, bool]] = {}
    for parameter in parameters_of(target):
        if parameter.key in leave_out or parameter.name in leave_out:
            continue
        if parameter.inner is not None and not parameter.several:
            for key, (kind, needed) in _fields(parameter.inner, leave_out).items():
                fields[key] = kind, needed and parameter.needed
        elif parameter.inner is not None:
            fields[parameter.key] = list[model_of(parameter.inner)], parameter.needed  # type: ignore[misc] # a type made at run time
        else:
            fields[parameter.key] = parameter.kind, parameter.needed
    return fields


def hints_of(target: Any) -> dict[str, Any]:
    """The kinds of a constructor's or function's parameters."""
    return get_type_hints(target.__init__ if inspect.isclass(target) else target)


def parameters_of(target: Callable[..., Any]) -> Iterator[Parameter]:
    """What a constructor or function takes; what only code can give is left out."""
    hints = hints_of(target)
    for name, parameter in inspect.signature(target).parameters.items():
        if name in _IN_CODE or parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        hint = hints.get(name, Any)
        key, kind = _key_and_kind(name, hint)
        needed = parameter.default is inspect.Parameter.empty
        inner, several = _dataclass_in(hint)
        yield Parameter(name, key, kind, needed, inner, several)


def _key_and_kind(name: str, hint: Any) -> tuple[str, Any]:
    if scorers_in(hint):
        return name, list[Any] if get_origin(hint) is tuple else Any
    whole = int in (hint, *get_args(hint))
    if name in _MOMENTS:
        return name[:-3], Moment
    if name in PLACES:
        return name, Places
    if name.endswith("_ns") and whole:
        return name[:-3], Optional[Nanoseconds] if type(None) in get_args(hint) else Nanoseconds  # noqa: UP045 - `|` is not for annotated types
    if name.endswith("_s") and hint is float:
        return name[:-2], Seconds
    return name, _KINDS.get(hint, hint)


def scorers_in(hint: Any) -> bool:
    """Whether a parameter is a detector, or several; those are parts of their own."""
    return any(part is Scorer or get_origin(part) is Scorer for part in (hint, *get_args(hint)))


def _dataclass_in(hint: Any) -> tuple[type[Any] | None, bool]:
    """The dataclass a hint is, alone or several, where it is one."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        if isinstance(option, type) and is_dataclass(option):
            return option, False
        parts = get_args(option)
        if get_origin(option) is tuple and parts and is_dataclass(parts[0]):
            return parts[0], True  # type: ignore[return-value] # a class, as it stands in a hint
    return None, False
