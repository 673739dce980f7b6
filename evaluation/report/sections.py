"""The sections of the report as markup; all that comes from outside is escaped."""

from collections.abc import Mapping, Sequence

from pandas import DataFrame

from tocsin.evaluation.pages.frame import NO_SCRIPT, THEME_BUTTON, safe
from tocsin.evaluation.report.drawings import drawing_card
from tocsin.evaluation.report.verdict import (
    Standing,
    Verdict,
    at_one_a_week,
    metrics_of,
    sentences,
)
from tocsin.evaluation.report.words import MODES, READING, metric_meaning, metric_name

MOST_BARS, MOST_EASY = 6, 2  # detectors and controls in a verdict

_PLACES = (
    ("verdict", "Which detector"),
    ("leaderboards", "Leaderboards"),
    ("datasets", "Data sets"),
    ("kinds", "Kinds"),
    ("charts", "Plots"),
    ("drawings", "Differences"),
    ("cases", "Series by series"),
    ("provenance", "How it was made"),
)


def header(title: str, summary: str) -> str:
    """Title and summary."""
    return (
        f"<header><div><h1>{safe(title)}</h1><p>{safe(summary, 2000)}</p></div>{THEME_BUTTON}"
        f"</header>{NO_SCRIPT}"
    )


def navigation(body: str) -> str:
    """Links to the sections that `body` has."""
    links = "".join(
        f'<a href="#{name}">{told}</a>' for name, told in _PLACES if f'<section id="{name}"' in body
    )
    return f"<nav>{links}</nav>"


def verdict_section(verdicts: Sequence[Verdict], silent: Sequence[str], budget: DataFrame) -> str:
    """A card a mode: the detector to use, how sure that is, and where it fails.

    `silent` are the modes that have results, but no series with a result of every detector.
    """
    cards = "".join(_verdict(found, budget) for found in verdicts)
    notes = [f"No {mode} verdict: no series has a result of every detector." for mode in silent]
    if not verdicts and not silent:
        notes = ["There are no results to tell from."]
    told = "".join(f'<p class="empty">{safe(note)}</p>' for note in notes)
    return (
        '<section id="verdict"><h2>Which detector to use</h2>'
        f'<div class="verdicts">{cards}</div>{told}</section>'
    )


def reading_section(metrics: Sequence[str]) -> str:
    """How to read the report, and what its metrics mean."""
    known = [(f"{metric_name(m)}: {m}", metric_meaning(m)) for m in metrics if metric_meaning(m)]
    words = "".join(
        f"<div><dt>{safe(term)}</dt><dd>{safe(told, 1000)}</dd></div>" for term, told in READING
    )
    meanings = "".join(f"<li><b>{safe(term)}</b> {safe(told)}</li>" for term, told in known)
    measured = f"<div><dt>Metrics</dt><dd><ul>{meanings}</ul></dd></div>" if meanings else ""
    return (
        '<section id="reading"><details open><summary><b>How to read this</b></summary>'
        f'<div class="card"><dl class="reading">{words}{measured}</dl></div></details></section>'
    )


def tables_section(name: str, title: str, told: str, cards: Sequence[str]) -> str:
    """Tables under a heading; "" without any."""
    if not cards:
        return ""
    return (
        f'<section id="{name}"><h2>{safe(title)}</h2><p>{safe(told)}</p>'
        f'<div class="stack">{"".join(cards)}</div></section>'
    )


def charts_section(scatter: DataFrame, budget: DataFrame, cost: DataFrame) -> str:
    """The places for the plots over all series; "" where there is nothing to plot."""
    drawable = bool(len(scatter)) and bool(metrics_of(scatter))
    cards = [
        _DOTS if drawable else "",
        _BUDGET if len(budget) else "",
        _COST if drawable and len(cost) else "",
    ]
    if not any(cards):
        return ""
    told = "Click a name in a legend to hide it, double-click to see it alone. Controls are grey."
    return (
        f'<section id="charts"><h2>Plots over all series</h2><p>{told}</p>'
        f'<div class="charts">{"".join(cards)}</div></section>'
    )


def drawings_section(drawings: Sequence[tuple[str, str]]) -> str:
    """The drawings handed in; "" without any."""
    if not drawings:
        return ""
    cards = "".join(drawing_card(caption, svg) for caption, svg in drawings)
    told = (
        "In a drawing of ranks, further left is better, and detectors joined by a bar cannot be "
        "told apart."
    )
    return (
        f'<section id="drawings"><h2>Which differences are real</h2><p>{told}</p>'
        f'<div class="charts">{cards}</div></section>'
    )


def provenance_section(provenance: Mapping[str, str]) -> str:
    """Where the numbers come from; "" where nothing is said."""
    if not provenance:
        return ""
    words = "".join(
        f"<dt>{safe(name)}</dt><dd>{safe(value, 1000)}</dd>" for name, value in provenance.items()
    )
    return (
        '<section id="provenance"><h2>How it was made</h2>'
        f'<div class="card"><dl>{words}</dl></div></section>'
    )


_DOTS = (
    '<article class="card wide"><h3>Metric against metric</h3><div class="controls">'
    '<label>across <select id="dots-x"></select></label>'
    '<label>up <select id="dots-y"></select></label>'
    '<label>a dot is <select id="dots-view"></select></label></div>'
    '<p id="dots-note"></p><div class="chart" id="dots"></div></article>'
)
_BUDGET = (
    '<article class="card wide"><h3>Caught for a budget</h3><p>The share of labelled events that '
    "is caught when so many false incidents are allowed. Higher, further left, is better.</p>"
    '<div class="chart" id="budget"></div></article>'
)
_COST = (
    '<article class="card wide"><h3>Quality against cost</h3><div class="controls">'
    '<label>up <select id="cost-y"></select></label></div><p>Further right is faster.</p>'
    '<div class="chart" id="cost"></div></article>'
)


def _verdict(found: Verdict, budget: DataFrame) -> str:
    name, meaning = MODES[found.mode]
    best = found.best
    told = [*sentences(found), at_one_a_week(budget, best.detector, found.mode)]
    items = "".join(
        f"<li{_mark(sentence)}>{safe(sentence, 1000)}</li>" for sentence in told if sentence
    )
    kind = "verdict none" if found.beaten or best.is_control else "verdict"
    pick = (
        "No detector beats the controls"
        if kind != "verdict"
        else f"Use <strong>{safe(best.detector)}</strong>"
    )
    return (
        f'<article class="{kind}"><p class="mode"><b>{name}</b> · {meaning}</p><h3>{pick}</h3>'
        f"<ul>{items}</ul>{_bars(found)}</article>"
    )


def _mark(sentence: str) -> str:
    return ' class="fails"' if sentence.startswith(("It fails", "No detector beats")) else ""


def _bars(found: Verdict) -> str:
    """The best detectors and controls as bars, their intervals as a line on them."""
    real = [s for s in found.standings if not s.is_control]
    easy = [s for s in found.standings if s.is_control]
    shown = sorted([*real[:MOST_BARS], *easy[:MOST_EASY]], key=lambda s: -s.mean)
    top = max(1.0, *(standing.high for standing in shown))
    rows = "".join(_bar(standing, top, is_first=standing is found.best) for standing in shown)
    hidden = len(found.standings) - len(shown)
    more = f" {hidden} more are in the leaderboard." if hidden else ""
    return (
        f'<div class="rank">{rows}</div><p class="mode">Macro mean of '
        f"{safe(metric_name(found.metric))}, with its 95 % interval; controls are grey.{more}</p>"
    )


def _bar(standing: Standing, top: float, *, is_first: bool) -> str:
    kind = "first" if is_first else "easy" if standing.is_control else ""
    at, low, high = (
        min(max(value / top, 0.0), 1.0) for value in (standing.mean, standing.low, standing.high)
    )
    return (
        f'<span class="{kind}" title="{safe(standing.detector)}">{safe(standing.detector)}</span>'
        f'<div class="bar {kind}" style="--at: {at:.4f}; --low: {low:.4f}; --high: {high:.4f}">'
        f'<i></i><u></u></div><span class="number">{standing.mean:.3f}</span>'
    )
