"""The JSON Schema of a configuration, with every type of source, detector and sink."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, create_model

from tocsin.configuration.parts import Kind, load, section_of, types_of
from tocsin.configuration.settings import Section
from tocsin.configuration.shape import Document, Name
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
    }
    model = create_model("Configuration", __base__=Document, **fields)
    model.__doc__ = "A Tocsin pipeline."
    return {"$schema": _DIALECT, **model.model_json_schema()}


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
