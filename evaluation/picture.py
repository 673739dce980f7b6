"""A PNG of what happened: signals, tail probabilities, thresholds, incidents and known faults."""

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tocsin.evaluation.downsample import breaks, lone, thin, within_reach
from tocsin.evaluation.palette import LEVEL_COLOURS, SIGNALS
from tocsin.evaluation.panel import (
    LEVELS,
    Panel,
    blamed_first,
    extent,
    leading,
    mildest_first,
    most_interesting,
    painted,
    span,
    standardise,
    standardised_like,
    subject,
    surprise,
    training,
    warmup,
)
from tocsin.evaluation.saving import save
from tocsin.evaluation.wording import moment, number, plain, plural
from tocsin.pipeline.incidents import Incident, Level
from tocsin.pipeline.types import FloatArray, IntArray

INK = "#222222"
FAINT = "#8a8a8a"
WARMING: dict[str, Any] = {"facecolor": "#e4e4e4", "edgecolor": "none"}
LEARNED: dict[str, Any] = {"facecolor": "#f6f6f6", "edgecolor": "#d4d4d4", "hatch": "..", "lw": 0}
FONT = "DejaVu Sans"  # comes with matplotlib, so a picture looks the same everywhere
TEXT: dict[str, Any] = {"fontfamily": FONT, "color": INK}
DPI = 100
WIDTH = 14.0  # inches
LEFT, RIGHT = 0.95, 1.75  # inches, for axis labels and for the names of the channels
POINTS = 4000  # a curve, over about 1100 pixels
CHANNELS = 4
BANDS = 2  # of what was expected; more of them would cover each other
CHARACTER = 0.075  # inches a character of the small labels takes
ABREAST = 9  # entries of the legend in one line
GAP = 0.08  # inches between a bar and its name
MOST_NAMES = 100  # bars in a lane; with more there is no room for any name

# Heights in inches of what one series is made of, from the top.
HEADING, LANE, SIGNAL, TAIL = 0.52, 0.24, 1.55, 0.95
TOP, BOTTOM = 1.05, 0.45


def draw(panels: Sequence[Panel], path: Path, title: str, most: int = 6) -> None:
    """Draw at most `most` series, the worst incidents first, and write a PNG 1400 pixels wide.

    Each series has a lane with its incidents, coloured by level, and its known faults, hatched;
    its signals, the most blamed first, standardised unless there is only one; and -log10 of the
    tail probability with the alarm threshold. A channel has one colour in all series. Dotted is
    what was trained on, grey is warm-up, a gap is "no opinion" or a time without rows. Writes over
    `path`; a SinkError where that is not possible.
    """
    shown = most_interesting(panels, most)
    heights = [height for panel in shown for height in _heights(panel)]
    tall = TOP + BOTTOM + (sum(heights) or 1.0)
    figure = Figure(figsize=(WIDTH, tall), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    _head(figure, shown, title, _told(panels, shown))
    if shown:
        grid = figure.add_gridspec(
            len(heights), 1, height_ratios=heights, hspace=0.0,
            left=LEFT / WIDTH, right=1 - RIGHT / WIDTH, bottom=BOTTOM / tall, top=1 - TOP / tall,
        )  # fmt: skip
        _series(figure, grid, shown)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": "tocsin"})
    save(path, content.getvalue())


def _heights(panel: Panel) -> tuple[float, ...]:
    return HEADING, LANE * (2 if panel.truth else 1), SIGNAL, TAIL


def _told(panels: Sequence[Panel], shown: Sequence[Panel]) -> str:
    incidents = sum(len(panel.incidents) for panel in panels)
    first, last = span(shown)
    told = f"{plural(len(panels), 'series')}, {plural(incidents, 'incident')}"
    if len(panels) > len(shown):
        told += f"; the {len(shown)} with most to show, +{len(panels) - len(shown)} more"
    return f"{told}. {moment(first)} to {moment(last)} UTC." if shown else f"{told}."


def _head(figure: Figure, shown: Sequence[Panel], title: str, told: str) -> None:
    tall = figure.get_figheight()
    left = LEFT / WIDTH
    style: dict[str, Any] = {**TEXT, "parse_math": False, "va": "top"}
    figure.text(left, 1 - 0.16 / tall, _drawable(title, 90), fontsize=15, weight="bold", **style)
    figure.text(left, 1 - 0.5 / tall, told, fontsize=10, **style)
    handles = _legend(shown)
    if handles:
        columns = len(handles) if len(handles) <= ABREAST else -(-len(handles) // 2)
        figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(left - 0.006, 1 - 0.72 / tall),
            ncols=columns, frameon=False, fontsize=9, handlelength=1.6, columnspacing=1.6,
            labelcolor=INK, prop={"family": FONT, "size": 9},
        )  # fmt: skip


def _legend(shown: Sequence[Panel]) -> list[Patch | Line2D]:
    found = {incident.level for panel in shown for incident in panel.incidents}
    levels: list[Level] = [level for level in LEVELS if level in found]
    handles: list[Patch | Line2D] = [
        Patch(facecolor=LEVEL_COLOURS[level], edgecolor=INK, lw=0.8, label=f"{before}{level}")
        for level, before in zip(levels, ("incident: ", "", "", ""), strict=False)
    ]
    if any(panel.truth for panel in shown):
        handles.append(Patch(facecolor="white", edgecolor=INK, hatch="/////", label="known fault"))
    if shown:
        handles.append(Line2D([], [], color=INK, lw=1.0, label="how unusual: -log10 p"))
        handles.append(Line2D([], [], color=INK, lw=1.2, ls=(0, (5, 3)), label="alarm threshold"))
    if any(panel.alarm.any() for panel in shown):
        dot = Line2D([], [], color=INK, ls="", marker="o", ms=4, label="row in alarm")
        handles.append(dot)
    bands = [panel.channels[channel] for panel in shown for channel in _banded(panel)]
    if bands:
        colour = _colours(shown)[bands[0]]
        handles.append(Patch(facecolor=colour, alpha=0.25, lw=0, label="expected"))
    if any(training(panel) for panel in shown):
        handles.append(Patch(label="only trained on", **LEARNED))
    if any(warmup(panel) for panel in shown):
        handles.append(Patch(label="warming up", **WARMING))
    return handles


def _colours(shown: Sequence[Panel]) -> dict[str, str]:
    numbers = painted(shown, CHANNELS, len(SIGNALS))
    return {name: SIGNALS[number] for name, number in numbers.items()}


def _series(figure: Figure, grid: GridSpec, shown: Sequence[Panel]) -> None:
    first, last = span(shown)
    limits = _days(np.array([first, last]))
    margin = 0.005 * (limits[1] - limits[0])
    colours = _colours(shown)
    for place, panel in enumerate(shown):
        lane, signal, tail = (figure.add_subplot(grid[4 * place + row]) for row in (1, 2, 3))
        for axes in (lane, signal, tail):
            axes.set_xlim(limits[0] - margin, limits[1] + margin)
            _dress(axes)
        _draw_lane(lane, panel, last)
        _draw_signals(signal, panel, colours)
        _draw_tail(tail, panel)
        for axes in (signal, tail):
            _shade(axes, panel, last)
        _date(tail)
    figure.text(
        1 - (RIGHT - 0.6) / WIDTH, (BOTTOM - 0.06) / figure.get_figheight(), "UTC",
        va="top", fontsize=8, **TEXT,
    )  # fmt: skip


def _date(axes: Axes) -> None:
    """Dates where the day changes and clock times between; the years stand in the heading."""
    locator = AutoDateLocator(tz=UTC, minticks=4, maxticks=10)  # type: ignore[no-untyped-call]  # no stubs
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]  # no stubs
        locator, tz=UTC, show_offset=False
    )
    formatter.formats = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S.%f"]
    formatter.zero_formats = ["", "%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M:%S"]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.tick_params(labelbottom=True, bottom=True)


def _dress(axes: Axes) -> None:
    axes.tick_params(
        labelsize=8, labelfontfamily=FONT, colors=INK, labelbottom=False, bottom=False, length=3
    )
    axes.grid(visible=True, axis="y", color="#e8e8e8", lw=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set(color="#bbbbbb", lw=0.8)


def _draw_lane(axes: Axes, panel: Panel, last: int) -> None:
    """Two rows of bars, incidents above known faults, with names where there is room."""
    rows = 2 if panel.truth else 1
    for incident in mildest_first(panel):  # so that the worst is drawn over the others
        colour = LEVEL_COLOURS[incident.level]
        _bar(axes, extent(incident, last), rows - 0.5, facecolor=colour, edgecolor=colour, lw=2)
    worst = mildest_first(panel)[::-1]
    spans = [extent(incident, last) for incident in worst]
    _name(axes, spans, [_told_of(incident, panel) for incident in worst], rows - 0.5)
    for interval in panel.truth:
        bar = (interval.start, interval.end)
        _bar(axes, bar, 0.5, facecolor="white", edgecolor=INK, hatch="/////", lw=0.8)
    truths = [(interval.start, interval.end) for interval in panel.truth]
    _name(axes, truths, [(interval.label,) for interval in panel.truth], 0.5)
    axes.set_ylim(0, rows)
    axes.set_yticks([0.5, 1.5][:rows], ["faults", "incidents"][-rows:])
    axes.tick_params(left=False)
    axes.grid(visible=False)
    told = plural(len(panel.incidents), "incident")
    heading: dict[str, Any] = {
        **TEXT, "parse_math": False, "textcoords": "offset points", "xycoords": "axes fraction"
    }  # fmt: skip
    name = _drawable(panel.series, 90)
    axes.annotate(name, (0, 1), (0, 5), fontsize=11, weight="bold", **heading)  # fmt: skip
    axes.annotate(told, (1, 1), (0, 5), fontsize=9, ha="right", **heading)  # fmt: skip


def _told_of(incident: Incident, panel: Panel) -> tuple[str, ...]:
    """What is said of an incident, and what less is said where there is no room for that.

    Where there is only one channel, its severity or its kind; it need not be named again.
    """
    kind = incident.kind.replace("_", " ")
    if len(panel.channels) == 1:
        return (f"severity {number(incident.severity)}" if incident.kind == "anomaly" else kind,)
    return (subject(incident),) if incident.kind == "anomaly" else (subject(incident), kind)


def _bar(axes: Axes, ends: tuple[int, int], middle: float, **style: Any) -> None:
    left, right = _days(np.array(ends))
    # An edge has a width in points, so an incident of one row is still seen.
    axes.broken_barh([(left, right - left)], (middle - 0.34, 0.68), **style)


def _name(
    axes: Axes, ends: Sequence[tuple[int, int]], names: Sequence[Sequence[str]], middle: float
) -> None:
    """Write the first of each bar's names for which there is room beside it."""
    if not 0 < len(ends) <= MOST_NAMES:
        return
    low, high = axes.get_xlim()
    inch = (high - low) / (WIDTH - LEFT - RIGHT)
    bars = [tuple(_days(np.array(pair)).tolist()) for pair in ends]
    taken = [*bars, (-np.inf, low), (high, np.inf)]
    style: dict[str, Any] = {**TEXT, "fontsize": 8, "parse_math": False, "va": "center_baseline"}
    for bar, told in zip(bars, names, strict=True):
        others = [stretch for stretch in taken if stretch != bar]
        for text, (start, stop), side in _beside(bar, told, inch):
            if all(stop <= a or start >= b for a, b in others):
                edge = start + GAP * inch if side == "left" else stop - GAP * inch
                axes.text(edge, middle, text, ha=side, **style)
                taken.append((start, stop))
                break


def _beside(
    bar: tuple[float, ...], names: Sequence[str], inch: float
) -> Iterator[tuple[str, tuple[float, float], str]]:
    """Names with where they would stand, right of the bar or else left, and how they align."""
    for text in filter(None, (_drawable(name, 28) for name in names)):
        room = inch * (CHARACTER * len(text) + GAP)
        yield text, (bar[1], bar[1] + room), "left"
        yield text, (bar[0] - room, bar[0]), "right"


def _draw_signals(axes: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    """The most blamed channels, named beside the plot: those that lead an incident in bold."""
    chosen = blamed_first(panel, CHANNELS)
    values = panel.values[:, chosen]  # (N, at most 4)
    single = len(panel.channels) == 1
    drawn = values if single else standardise(values)
    hidden = len(panel.channels) - len(chosen)
    _draw_expected(axes, panel, colours)
    leads = leading(panel)
    for place, channel in reversed(list(enumerate(chosen))):
        name = panel.channels[channel]
        _curve(axes, panel.time, drawn[:, place], colours[name])
        axes.annotate(
            _drawable(name, 20), (1, 1), (8, -6 - 15 * place), va="top", fontsize=9,
            xycoords="axes fraction", textcoords="offset points", color=colours[name],
            weight="bold" if name in leads else "normal", fontfamily=FONT, parse_math=False,
        )  # fmt: skip
    if hidden:
        axes.annotate(
            f"+{hidden} more", (1, 1), (8, -6 - 15 * len(chosen)), va="top", fontsize=9,
            xycoords="axes fraction", textcoords="offset points", color=FAINT, fontfamily=FONT,
        )  # fmt: skip
    label = "signal" if single else "signals\n(standardised)"
    axes.set_ylabel(label, fontsize=8.5, **TEXT)
    axes.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
    # Without this, large numbers lose their power of ten to a corner that the lane covers.
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def _banded(panel: Panel) -> list[int]:
    """The first of the drawn channels of which the detector told what it expected."""
    if panel.expected is None:
        return []
    low, _ = panel.expected.band()  # (N, C)
    known = [c for c in blamed_first(panel, CHANNELS) if not np.isnan(low[:, c]).all()]
    return known[:BANDS]


def _draw_expected(axes: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    """A shaded band behind these channels' signals."""
    if panel.expected is None:
        return
    low, high = panel.expected.band()  # (N, C)
    for channel in _banded(panel):
        one = [channel]
        lower, upper = low[:, one], high[:, one]
        if len(panel.channels) > 1:
            lower, upper = (standardised_like(e, panel.values[:, one]) for e in (lower, upper))
        lower, upper = within_reach(lower[:, 0]), within_reach(upper[:, 0])
        kept = np.union1d(thin(lower, POINTS), thin(upper, POINTS))
        cuts = breaks(panel.time, kept)
        days = _days(np.insert(panel.time[kept], cuts, panel.time[kept[cuts - 1]]))
        under, over = (np.insert(edge[kept], cuts, np.nan) for edge in (lower, upper))
        colour = colours[panel.channels[channel]]
        axes.fill_between(days, under, over, color=colour, alpha=0.25, lw=0, zorder=1)


def _draw_tail(axes: Axes, panel: Panel) -> None:
    level, limit = surprise(panel.tail), surprise(panel.alpha)
    _curve(axes, panel.time, level, INK)
    _curve(axes, panel.time, limit, INK, width=1.2, dashes=(0, (5, 3)))
    alarms = np.flatnonzero(panel.alarm & np.isfinite(level))
    if alarms.size:
        alarms = alarms[thin(level[alarms], POINTS)]
        axes.plot(_days(panel.time[alarms]), level[alarms], "o", color=INK, ms=2.6, mew=0)
    highest = np.nanmax(np.concatenate([level, limit, [1.0]]))
    axes.set_ylim(0, 1.12 * highest)
    axes.set_ylabel("-log10 p", fontsize=8.5, **TEXT)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True, prune="upper"))
    known = limit[np.isfinite(limit)]
    if known.size:
        axes.annotate(
            f"alarm at p = {10 ** -known[-1]:.2g}", (1, known[-1]), (8, 0), va="center",
            xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8.5,
            **TEXT,
        )  # fmt: skip


def _curve(
    axes: Axes,
    time: IntArray,
    values: FloatArray,
    colour: str,
    width: float = 0.8,
    dashes: tuple[int, tuple[int, ...]] | str = "-",
) -> None:
    reached = within_reach(values)
    kept = thin(reached, POINTS)
    cuts = breaks(time, kept)
    days, drawn = _days(time[kept]), reached[kept]
    days, drawn = np.insert(days, cuts, days[cuts - 1]), np.insert(drawn, cuts, np.nan)
    axes.plot(days, drawn, color=colour, lw=width, ls=dashes)
    alone = lone(drawn)
    if alone.any():
        axes.plot(days[alone], drawn[alone], ".", color=colour, ms=3)


def _shade(axes: Axes, panel: Panel, last: int) -> None:
    for incident in mildest_first(panel):
        ends = _days(np.array(extent(incident, last)))
        colour = LEVEL_COLOURS[incident.level]
        axes.axvspan(*ends, facecolor=colour, edgecolor=colour, alpha=0.35, lw=1.2, zorder=0)
    for interval in panel.truth:
        ends = _days(np.array([interval.start, interval.end]))
        for end in ends:
            axes.axvline(end, color=FAINT, lw=0.8, ls=":", zorder=1)
    for stretch, style in ((training(panel), LEARNED), (warmup(panel), WARMING)):
        if stretch is not None:
            axes.axvspan(*_days(np.array(stretch)), zorder=0, **style)


def _days(nanoseconds: IntArray) -> FloatArray:
    """Matplotlib's unit of time: days since 1970."""
    days: FloatArray = nanoseconds / 86_400e9
    return days


def _drawable(text: str, most: int) -> str:
    """`text` in characters the font has; the others are spelled out, so that names stay apart."""
    font = get_font(findfont(FONT))
    return "".join(
        c if font.get_char_index(ord(c)) else c.encode("unicode_escape").decode()
        for c in plain(text, most)
    )
