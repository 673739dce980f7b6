"""The critical-difference picture: detectors on a line by average rank, equals joined by a bar.

After J. Demšar, 2006, Journal of Machine Learning Research 7. What is drawn is worked out once, as
strokes and words; `svg` writes them for a page, `critical_difference_png` draws them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal

from tocsin.evaluation.comparing.ranks import Ranking
from tocsin.evaluation.palette import BLUE
from tocsin.evaluation.wording import plain, plural

WIDTH = 900.0
LEFT, RIGHT = 280.0, 620.0  # the axis, between the names
AXIS = 72.0  # the height of the axis, from the top
LINE = 20.0  # from name to name
LANE = 9.0  # from bar to bar
MOST_TICKS = 12
MOST_CHARACTERS = 26  # of a name; its rank needs six more

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line from (x1, y1) to (x2, y2), y downwards; `is_bar` for those that join equals."""

    x1: float
    y1: float
    x2: float
    y2: float
    is_bar: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text that starts, is centred or ends at x, its middle at the height y."""

    x: float
    y: float
    text: str
    anchor: Anchor = "middle"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be drawn, in units of a pixel."""

    height: float
    strokes: tuple[Stroke, ...]
    words: tuple[Words, ...]
    told: str


def drawing(ranking: Ranking) -> Drawing:
    """Where everything stands: the best left, its half of the names left of the axis."""
    scale, scale_words = _scale(ranking)
    ticks, tick_words = _axis(len(ranking.detectors))
    bars = list(_bars(ranking))
    below = max((bar.y1 for bar in bars), default=AXIS) + 2 * LINE
    leaders, names = _names(ranking, below)
    bottom = below + LINE * ((len(ranking.detectors) + 1) // 2)
    told = tell(ranking)
    caption = Words(WIDTH / 2, bottom + 8, told)
    return Drawing(
        bottom + 28,
        (*scale, *ticks, *leaders, *bars),
        (*scale_words, *tick_words, *names, caption),
        told,
    )


def svg(ranking: Ranking) -> str:
    """The picture as an SVG element that needs nothing else.

    Lines and text take the colour of the text around it, or the page's --ink, and bars the page's
    --c0, so it is read in light and in dark.
    """
    drawn = drawing(ranking)
    told = escape(drawn.told)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {drawn.height:g}" '
        f'width="100%" style="max-width:{WIDTH:g}px;color:var(--ink,currentColor)" role="img" '
        f'aria-label="{told}" font-family="system-ui, \'DejaVu Sans\', sans-serif" '
        'font-size="13">',
        f"<title>{told}</title>",
        *map(_stroke, drawn.strokes),
        *map(_words, drawn.words),
        "</svg>",
    ]
    return "\n".join(parts)


def tell(ranking: Ranking) -> str:
    """The picture in a sentence."""
    p = ranking.friedman.p_f
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return (
        f"{plain(ranking.metric, 40)}, {ranking.mode}, average rank over "
        f"{plural(ranking.series, 'series')}; Friedman test {chance}"
    )


def _x(rank: float, detectors: int) -> float:
    return LEFT + (RIGHT - LEFT) * (rank - 1) / (detectors - 1)


def _scale(ranking: Ranking) -> tuple[list[Stroke], list[Words]]:
    """The critical difference as a length; as long as the axis where it is longer than that."""
    length = (RIGHT - LEFT) * ranking.critical_difference / (len(ranking.detectors) - 1)
    end = min(LEFT + length, RIGHT)
    y = 26.0
    strokes = [Stroke(LEFT, y, end, y), Stroke(LEFT, y - 4, LEFT, y + 4)]
    text = f"critical difference {ranking.critical_difference:.2f}"
    if LEFT + length > RIGHT:
        text += ", more than the axis"
    else:
        strokes.append(Stroke(end, y - 4, end, y + 4))
    return strokes, [Words(LEFT, y - 14, text, "start")]


def _axis(detectors: int) -> tuple[list[Stroke], list[Words]]:
    step = -(-detectors // MOST_TICKS)
    places = [(each, _x(each, detectors)) for each in range(1, detectors + 1, step)]
    strokes = [Stroke(x, AXIS - 5, x, AXIS) for _, x in places]
    words = [Words(x, AXIS - 14, str(each)) for each, x in places]
    return [Stroke(LEFT, AXIS, RIGHT, AXIS), *strokes], words


def _bars(ranking: Ranking) -> Iterator[Stroke]:
    """A bar for each group, in the first lane below the axis where it touches no other."""
    ends: list[float] = []
    where = dict(zip(ranking.detectors, ranking.ranks, strict=True))
    for group in ranking.groups:
        first, last = (_x(where[name], len(where)) for name in (group[0], group[-1]))
        free = [lane for lane, end in enumerate(ends) if end + 8 < first - 3]
        lane = free[0] if free else len(ends)
        ends[lane : lane + 1] = [last + 3]
        y = AXIS + LANE * (lane + 1)
        yield Stroke(first - 3, y, last + 3, y, is_bar=True)


def _names(ranking: Ranking, below: float) -> tuple[list[Stroke], list[Words]]:
    """Names with their ranks, and the lines that lead to them: down, then out, never crossing."""
    detectors = len(ranking.detectors)
    half = (detectors + 1) // 2
    strokes: list[Stroke] = []
    words: list[Words] = []
    for place, (name, rank) in enumerate(zip(ranking.detectors, ranking.ranks, strict=True)):
        x = _x(rank, detectors)
        is_left = place < half
        y = below + LINE * (place if is_left else detectors - 1 - place)
        end = LEFT - 12 if is_left else RIGHT + 12
        strokes += [Stroke(x, AXIS, x, y), Stroke(x, y, end, y)]
        short = plain(name, MOST_CHARACTERS)
        text = f"{short}  {rank:.2f}" if is_left else f"{rank:.2f}  {short}"
        words.append(Words(end - 6 if is_left else end + 6, y, text, "end" if is_left else "start"))
    return strokes, words


def _stroke(stroke: Stroke) -> str:
    look = (
        f'style="stroke:var(--c0,{BLUE})" stroke-width="5" stroke-linecap="round"'
        if stroke.is_bar
        else 'stroke="currentColor" stroke-width="1"'
    )
    first, last = f'x1="{stroke.x1:.1f}" y1="{stroke.y1:.1f}"', f'x2="{stroke.x2:.1f}"'
    return f'<line {first} {last} y2="{stroke.y2:.1f}" {look}/>'


def _words(words: Words) -> str:
    return (
        f'<text x="{words.x:.1f}" y="{words.y:.1f}" text-anchor="{words.anchor}" '
        f'dominant-baseline="central" fill="currentColor">{escape(words.text)}</text>'
    )
