import numpy as np
import pytest

from tocsin.evaluation.comparing.comparison import Comparison
from tocsin.evaluation.comparing.critical_difference import svg
from tocsin.evaluation.comparing.ranks import rank
from tocsin.evaluation.report.drawings import drawing_card
from tocsin.pipeline.errors import TocsinError


def test_a_critical_difference_picture_is_taken_as_it_is():
    values = np.random.default_rng(0).random((20, 3))
    series = tuple(("plant", str(n)) for n in range(20))
    names = ("ewma", "moving_z", "<b>")
    picture = svg(rank(Comparison("vus_pr", "causal", names, series, values, (), {}, ())))
    assert picture in drawing_card("Ranks", picture)


def test_a_caption_is_escaped():
    assert "&lt;b&gt;" in drawing_card("<b>", "<svg/>")


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject/>",
        '<g onload="alert(1)"/>',
        '<g xmlns:x="http://www.w3.org/1999/xlink" x:href="javascript:alert(1)"/>',
        '<rect fill="url(http://example.org/a)"/>',
        "<!-- a comment -->",
        "<image/>",
        "<animate/>",
        "<style>&lt;/style>&lt;script></style>",
        "<style>@import 'http://example.org/a'</style>",
        "<g>",
    ],
)
def test_what_is_more_than_a_drawing_is_refused(inside):
    with pytest.raises(TocsinError, match="'Ranks'"):
        drawing_card("Ranks", f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>')


def test_what_is_no_svg_is_refused():
    with pytest.raises(TocsinError, match="must be an svg element"):
        drawing_card("Ranks", "<g/>")
