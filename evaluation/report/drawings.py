"""Drawings handed in as SVG: put on the page only if they are drawings and nothing else."""

import xml.etree.ElementTree as ET
from xml.etree.ElementTree import ParseError

from tocsin.evaluation.pages.frame import safe
from tocsin.pipeline.errors import TocsinError

# Shapes and words. What can run, load or link is left out on purpose.
_ELEMENTS = frozenset(
    ("svg", "g", "defs", "title", "desc", "line", "path", "rect", "circle", "ellipse", "polyline",
     "polygon", "text", "tspan", "style")
)  # fmt: skip

_NOT_IN_STYLE = ("<", "url(", "@import")


def drawing_card(caption: str, svg: str) -> str:
    """The markup of one SVG under its caption; a TocsinError where it is more than a drawing.

    The text stands in the page as it is, so that it follows the page's colours. Anything that could
    run a script or load a file is refused: other elements than shapes and text, attributes that
    begin with "on", links, addresses, and comments, which HTML and XML end differently.
    """
    _check(caption, svg)
    return f'<figure class="card"><div class="scroll">{svg}</div>{_caption(caption)}</figure>'


def _caption(caption: str) -> str:
    return f"<figcaption>{safe(caption, 1000)}</figcaption>"


def _check(caption: str, svg: str) -> None:
    if "<!" in svg or "<?" in svg:
        raise TocsinError(f"drawing {caption!r}: only elements and text are taken; found <! or <?")
    try:
        root = ET.fromstring(svg)  # noqa: S314 (declarations, and so entities, are refused above)
    except ParseError as error:
        raise TocsinError(f"drawing {caption!r} is not well-formed SVG: {error}") from error
    if _local(root.tag) != "svg":
        raise TocsinError(f"drawing {caption!r} must be an svg element; found {root.tag!r}")
    for element in root.iter():
        _check_element(caption, element)


def _check_element(caption: str, element: ET.Element) -> None:
    name = _local(element.tag)
    if name not in _ELEMENTS:
        raise TocsinError(f"drawing {caption!r} holds the element {name!r}, which is not taken")
    for attribute, value in element.attrib.items():
        if _local(attribute).lower().startswith(("on", "href", "src")) or "url(" in value.lower():
            raise TocsinError(
                f"drawing {caption!r} holds the attribute {attribute!r}, which is not taken"
            )
    if name == "style" and any(sign in (element.text or "").lower() for sign in _NOT_IN_STYLE):
        raise TocsinError(f"drawing {caption!r} holds markup or an address in its style")


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]
