"""The JSON Schema of a configuration, with every type of source, detector and sink."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, create_model

from tocsin.configuration import stages
from tocsin.configuration.parts import Kind, load, section_of, types_of
from tocsin.configuration.settings import Section
from tocsin.configuration.shape import Document, Name, Scoring, Thresholds
from tocsin.pipeline.errors import ConfigError

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema. Types whose optional part is not installed are left out."""
    unions = {kind: _union(kind) for kind in get_args(Kind)}
    one = Field(min_length=1, max_length=1)
    fields: dict[str, Any] = {
        "sources": (_named(unions["sources"]), one),
        "detectors": (_named(unions["detectors"]), one),
        "sinks": (_named(unions["sinks"]), Field(default_factory=dict)),
        "dead_letters": (unions["dead_letters"] | None, None),
        "scoring": (create_model("Scoring", __base__=Scoring, **_calibrate()), Scoring()),
        "thresholds": (create_model("Thresholds", __base__=Thresholds, **_alarm()) | None, None),
    }
    model = create_model("Configuration", __base__=Document, **fields)
    model.__doc__ = "A Tocsin pipeline."
    return {"$schema": _DIALECT, **model.model_json_schema()}


def _calibrate() -> dict[str, Any]:
    return {"calibrate": (_methods("calibrate", stages.CALIBRATORS, "conformal") | None, None)}


def _alarm() -> dict[str, Any]:
    return {"default": (_methods("alarm", stages.THRESHOLDS, "budget", "tail"), Field())}


def _methods(kind: str, known: Mapping[str, str], *unsaid: str) -> Any:
    """Any of the methods of a part; of those `unsaid`, the method need not be named."""
    return reduce(or_, (_method(kind, name, known[name], name in unsaid) for name in known))


def _method(kind: str, name: str, path: str, may_miss: bool) -> type[Section]:  # noqa: FBT001 - private
    target = stages.load(path)
    given = Field(default_factory=lambda: name) if may_miss else Field()
    fields: dict[str, Any] = {"method": (_exactly(name), given)}
    if name == "budget":
        fields["budget"] = (str, Field())  # what tells it from a tail
    title = "".join(word.title() for word in (kind, *name.split("_")))
    made: type[Section] = create_model(title, __base__=stages.section_of(name, target), **fields)
    made.__doc__ = None
    return made


def _named(kind: Any) -> Any:
    return dict.__class_getitem__((Name, kind))


def _exactly(name: str) -> Any:
    return Literal[name]


def _union(kind: Kind) -> Any:
    """Any of the types of a section, told apart by `type`."""
    sections = [found for name in types_of(kind) if (found := _section(kind, name)) is not None]
    return Annotated[reduce(or_, sections), Field(discriminator="type")]


def _section(kind: Kind, name: str) -> type[Section] | None:
    try:
        target = load(kind, name)
    except ConfigError:
        return None
    title = "".join(word.title() for word in (*kind.split("_"), *name.split("_")))
    fields: dict[str, Any] = {"type": (_exactly(name), Field())}
    made: type[Section] = create_model(title, __base__=section_of(kind, target), **fields)
    # The summary of a class is for its users in code.
    made.__doc__ = None
    return made
