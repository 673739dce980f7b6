"""The critical-difference picture as a PNG."""

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tocsin.evaluation.comparing.critical_difference import WIDTH, Anchor, drawing
from tocsin.evaluation.comparing.ranks import Ranking
from tocsin.evaluation.palette import BLUE
from tocsin.evaluation.saving import save

INK = "#222222"
FONT = "DejaVu Sans"  # comes with matplotlib, so a picture looks the same everywhere
DPI = 200
SIDES: dict[Anchor, str] = {"start": "left", "middle": "center", "end": "right"}


def draw(ranking: Ranking, path: Path) -> None:
    """Write the picture of the ranking, 1800 pixels wide, on white; a SinkError where it cannot.

    Characters beyond ASCII are spelled out, so that no name becomes a row of empty boxes.
    """
    drawn = drawing(ranking)
    figure = Figure(figsize=(WIDTH / 100, drawn.height / 100), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(drawn.height, 0)
    for stroke in drawn.strokes:
        look = (BLUE, 3.6, "round") if stroke.is_bar else (INK, 0.8, "butt")
        axes.plot(
            (stroke.x1, stroke.x2), (stroke.y1, stroke.y2),
            color=look[0], lw=look[1], solid_capstyle=look[2],
        )  # fmt: skip
    for words in drawn.words:
        axes.text(
            words.x, words.y, _drawable(words.text),
            ha=SIDES[words.anchor], va="center", fontsize=8.5, fontfamily=FONT, color=INK,
            parse_math=False,
        )  # fmt: skip
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": "tocsin"})
    save(path, content.getvalue())


def _drawable(text: str) -> str:
    spelled = (c if c.isascii() or c == "…" else ascii(c)[1:-1] for c in text)
    return "".join(spelled)
