"""`tocsin validate`, `test` and `list`: what is there and whether it is right."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from tocsin.commands.left_out import left_out, reasons_of
from tocsin.commands.replaying import Replay, no_row, replay
from tocsin.commands.screen import print_json, stderr, stdout
from tocsin.config import is_experiment, load, load_experiment
from tocsin.configuration.schema import json_schema
from tocsin.configuration.shape import Expect, Rehearsal
from tocsin.connectors import catalogue as connectors
from tocsin.detectors import catalogue as detectors
from tocsin.evaluation.wording import duration, moment, plural
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident


def validate(path: Path | None, *, schema: bool) -> None:
    """Say that a configuration is right, or print the schema; a ConfigError tells what is wrong.

    One without sources is for backtests.
    """
    if path is not None and is_experiment(path):
        experiment = load_experiment(path)
        if not schema:
            told = ", ".join(experiment.scorers)
            stdout().print(f"{path} is valid, for backtests. Detectors: {told}.")
    elif path is not None:
        config = load(path)
        if not schema:
            sinks = ", ".join(config.delivery.sinks) or "none: incidents are printed"
            stdout().print(
                f"{path} is valid. Source: {config.name} ({type(config.source).__name__}). "
                f"Detector: {config.stages.scorer}. Sinks: {sinks}. "
                f"Tests: {len(config.tests)}."
            )
    if schema:
        print_json(json_schema())


def run_tests(path: Path, *, as_json: bool) -> int:
    """Run a configuration's tests; gives the exit code: 1 where one fails."""
    config = load(path)
    if not config.tests:
        raise ConfigError(f"{path} has no tests; add some under 'tests:'")
    found = []
    for case in config.tests:
        played = replay(config, case.input.file)
        found.append((case, failures(case, played)))
        if played.summary.rows and not as_json:
            for line in left_out(reasons_of(played.summary)):
                stderr().print(f"{case.name}: {line}")
    if as_json:
        print_json({"tests": [{"name": case.name, "failures": wrong} for case, wrong in found]})
    else:
        console = stdout()
        for case, wrong in found:
            console.print(f"{'FAILED' if wrong else 'passed'}  {case.name}")
            for line in wrong:
                console.print(f"        {line}")
        failed = sum(bool(wrong) for _, wrong in found)
        console.print(f"{plural(len(found), 'test')}, {failed} failed")
    return int(any(wrong for _, wrong in found))


def failures(case: Rehearsal, played: Replay) -> list[str]:
    """What a replay did not give that a test wants; a file that gives no row fails every test."""
    if not played.summary.rows:
        return [no_row(case.input.file, played.summary)]
    expect, incidents = case.expect, played.latest()
    wrong = []
    if expect.events is not None and len(incidents) != expect.events:
        wrong.append(f"{_told(incidents)}, wanted {plural(expect.events, 'event')}")
    for what, wanted in (("kinds", expect.kinds), ("series", expect.series)):
        have = sorted({getattr(each, what.removesuffix("s") if what == "kinds" else what)
                       for each in incidents})  # fmt: skip
        if wanted is not None and have != sorted(wanted):
            wrong.append(
                f"{what} {', '.join(have) or 'none'}, wanted {', '.join(sorted(wanted)) or 'none'}"
            )
    return wrong + _too_late(expect, incidents, played.first_ns)


def list_known(what: str, *, as_json: bool) -> None:
    """List detectors or connectors."""
    rows = _detectors() if what == "detectors" else _connectors()
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in rows[0]:
        table.add_column(head)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row.values()))
    stdout().print(table)


def _detectors() -> list[dict[str, str]]:
    return [
        {"name": each.name, "takes": each.item, "extra": each.extra, "summary": each.summary}
        for each in detectors.entries().values()
    ]


def _connectors() -> list[dict[str, str]]:
    return [
        {"name": each.name, "role": each.role, "extra": each.extra, "summary": each.summary}
        for each in connectors.CATALOGUE.values()
    ]


def _too_late(expect: Expect, incidents: list[Incident], first_ns: int | None) -> list[str]:
    if expect.within is None:
        return []
    since = expect.after if expect.after is not None else first_ns or 0
    opened = [each.opened_at for each in incidents if each.opened_at >= since]
    if not opened:
        return [f"no event opened from {moment(since)} on, wanted one in {duration(expect.within)}"]
    took = min(opened) - since
    if took <= expect.within:
        return []
    return [f"the first event opened after {duration(took)}, wanted {duration(expect.within)}"]


def _told(incidents: list[Incident]) -> str:
    some = ", ".join(f"{i.kind} of {i.series} at {moment(i.started_at)}" for i in incidents[:5])
    return plural(len(incidents), "event") + (f" ({some})" if some else "")
