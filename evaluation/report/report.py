"""The backtest report: one HTML file that says which detector to use and where it fails."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pandas import DataFrame

from tocsin.evaluation.comparing.comparison import CONTROLS, MODES
from tocsin.evaluation.pages.frame import document, embedded
from tocsin.evaluation.report.case import Judged
from tocsin.evaluation.report.cases import cases_json, cases_section
from tocsin.evaluation.report.charts import budget_figure, dots, looks
from tocsin.evaluation.report.script import REPORT_SCRIPT
from tocsin.evaluation.report.sections import (
    charts_section,
    drawings_section,
    header,
    navigation,
    provenance_section,
    reading_section,
    tables_section,
    verdict_section,
)
from tocsin.evaluation.report.style import REPORT_STYLE
from tocsin.evaluation.report.tables import heat_card, ranked_card
from tocsin.evaluation.report.verdict import Verdict, metrics_of, verdict
from tocsin.evaluation.saving import save
from tocsin.evaluation.table import Table
from tocsin.pipeline.errors import TocsinError

__all__ = ["Judged", "Report", "write_report"]

_COLUMNS = {
    "scatter": ("detector", "mode", "dataset", "series"),
    "budget": ("detector", "mode", "per_week", "caught_share", "false_per_week"),
    "cost": ("detector", "mode", "seconds", "rows", "megabytes"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that a report shows; causal and offline results stand in tables of their own.

    `tables` are leaderboards and the like, `by_dataset` and `by_kind` are drawn with shaded cells;
    `drawings` are captions with SVG text. `scatter` has the columns detector, mode, dataset, series
    and one for each metric, a row a series and detector: from it comes the verdict, under VUS-PR or
    else the first metric. `budget` has detector, mode, per_week (false incidents allowed a week a
    series), caught_share and false_per_week; `cost` detector, mode, seconds, rows and megabytes, of
    which the first two are added up. NaN is no value. Frames without rows need no columns; others
    that lack some are a TocsinError. `controls` are the detectors that any other must beat.
    """

    title: str
    summary: str
    tables: tuple[Table, ...]
    drawings: tuple[tuple[str, str], ...]
    scatter: DataFrame
    budget: DataFrame
    cost: DataFrame
    judged: tuple[Judged, ...]
    provenance: Mapping[str, str]
    by_dataset: tuple[Table, ...] = ()
    by_kind: tuple[Table, ...] = ()
    controls: tuple[str, ...] = CONTROLS

    def __post_init__(self) -> None:
        for name, wanted in _COLUMNS.items():
            frame: DataFrame = getattr(self, name)
            lacking = [column for column in wanted if column not in frame.columns]
            if len(frame) and lacking:
                raise TocsinError(
                    f"{name} of the report lacks {', '.join(lacking)}; "
                    f"its columns are {', '.join(map(str, frame.columns))}"
                )


def write_report(report: Report, path: Path) -> None:
    """Write the report as one HTML file that needs no network.

    It holds plotly's script (about 5 MB), follows the reader's light or dark scheme, and draws a
    judged series when it is chosen: 400 judged series at most, about a million points in all,
    thinned by smallest and largest so that spikes stay; what is left out is said. All names are
    escaped. Equal reports give equal bytes. Writes over `path`; a SinkError where that is not
    possible, a TocsinError where a drawing is more than a drawing.
    """
    save(path, _document(report).encode())


def _document(report: Report) -> str:
    verdicts = _verdicts(report)
    best_first = [standing.detector for found in verdicts for standing in found.standings]
    frames = (report.scatter, report.budget, report.cost)
    styles = looks(frames, list(dict.fromkeys(best_first)), report.controls)
    charts = {
        **dots(report.scatter, report.cost, styles),
        "budget": budget_figure(report.budget, styles),
    }
    data = {
        "charts-data": embedded(charts),
        "cases-data": embedded(cases_json(report.judged)),
    }
    return document(
        report.title, _body(report, verdicts), data, style=REPORT_STYLE, script=REPORT_SCRIPT
    )


def _verdicts(report: Report) -> list[Verdict]:
    """The verdict under the first metric, of each mode that has one; causal first."""
    metrics = metrics_of(report.scatter)[:1]
    found = (verdict(report.scatter, m, mode, report.controls) for m in metrics for mode in MODES)
    return [each for each in found if each is not None]


def _silent(report: Report, verdicts: list[Verdict]) -> list[str]:
    """The modes that have results but no verdict."""
    have = set(report.scatter["mode"]) if len(report.scatter) else set()
    return [mode for mode in MODES if mode in have - {found.mode for found in verdicts}]


def _body(report: Report, verdicts: list[Verdict]) -> str:
    controls = report.controls
    shaded = "Stronger blue is higher, column by column. Click a heading to sort."
    sections = (
        verdict_section(verdicts, _silent(report, verdicts), report.budget),
        reading_section(metrics_of(report.scatter)),
        tables_section(
            "leaderboards",
            "Leaderboards",
            "Click a heading to sort. Grey rows are controls.",
            [ranked_card(table, controls) for table in report.tables],
        ),
        tables_section(
            "datasets",
            "Data set by data set",
            shaded,
            [heat_card(table, controls) for table in report.by_dataset],
        ),
        tables_section(
            "kinds",
            "Kind by kind of anomaly",
            shaded,
            [heat_card(table, controls) for table in report.by_kind],
        ),
        charts_section(report.scatter, report.budget, report.cost),
        drawings_section(report.drawings),
        cases_section(report.judged),
        provenance_section(report.provenance),
    )
    below = "\n".join(section for section in sections if section)
    return "\n".join((header(report.title, report.summary), navigation(below), below))
