"""`tocsin demo`: a simulated plant streamed at high speed, and which of its faults are found."""

import os
import sys
import webbrowser
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from tocsin.commands.screen import incident_line, stdout, tell_table
from tocsin.config import Stages
from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.connectors.plant import CHANNELS, Plant
from tocsin.connectors.plant_faults import FaultKind, schedule
from tocsin.detectors.catalogue import load
from tocsin.evaluation.matching import Matching, Planted, Watch, match
from tocsin.evaluation.pages.history import Summary, render
from tocsin.evaluation.panel import Interval, Panel
from tocsin.evaluation.picture import draw
from tocsin.evaluation.wording import moment, plural
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.durations import parse_budget
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.runner import RunOptions, Watched, run
from tocsin.pipeline.store import Store
from tocsin.pipeline.threshold import AlertBudget
from tocsin.pipeline.types import FloatArray

BUDGET = "2/week/asset"
TICKS = 20_160  # two weeks of minutes
ASSETS = 6
WARMUP = 2880  # two days
_TICK_NS = 60_000_000_000
_SLACK_NS = 30 * _TICK_NS
_WEEK_NS = 604_800_000_000_000
# Each is planted twice. Clock trouble is left out: its rows are refused, which is no incident.
_KINDS: tuple[FaultKind, ...] = (
    *("spike", "level_shift", "broken_correlation", "stuck"),
    *("drift", "variance_burst", "dropout"),
)


@dataclass(slots=True)
class Log:
    """What the demo saw: rows and verdicts by series, and the incidents' last revisions."""

    rows: dict[str, list[tuple[int, FloatArray]]] = field(default_factory=lambda: defaultdict(list))
    verdicts: dict[str, list[tuple[int, float, float, float, bool]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    incidents: dict[str, Incident] = field(default_factory=dict)


def the_plant(seed: int, clock: Clock | None = None, seconds: float = 0) -> Plant:
    """The demo's plant: two weeks of six pumps, a row a minute, in `seconds` (0: at once)."""
    faults = schedule(TICKS, ASSETS, seed=seed, warmup=WARMUP, kinds=_KINDS * 2)
    speed = 0.0 if not seconds else TICKS * _TICK_NS / 1e9 / seconds
    plant = Plant(
        assets=ASSETS, seed=seed, tick_ns=_TICK_NS, ticks=TICKS, faults=faults, speed=speed
    )
    return plant if clock is None else replace(plant, clock=clock)


def the_stages() -> Stages:
    """The demo's detector and rules."""
    return Stages(
        scorer=load("mahalanobis")(),
        threshold=AlertBudget(BUDGET),
        gate=Gate("freeze_while_firing", 6 * 60 * _TICK_NS, "learn"),
        episodes=Episodes(close_after_ns=10 * _TICK_NS, merge_gap_ns=20 * _TICK_NS),
    )


def demo(seconds: float, out: Path, seed: int, *, show: bool) -> None:
    """Stream the plant, print incidents as they come, then tell what was found and draw it."""
    console = stdout()
    plant = the_plant(seed, SystemClock(), seconds)
    console.print(
        f"Two weeks of a simulated plant in {seconds:g} seconds: {ASSETS} pumps with "
        f"{len(CHANNELS)} channels, a row a minute."
    )
    console.print(
        f"{plural(len(plant.faults), 'fault')} are planted. The detector knows nothing of them "
        f"and has a budget of {BUDGET} for false alarms.\n"
    )
    log = stream(plant, console_width=console.width)
    found = tell(plant, log)
    panels = panels_of(plant, log)
    page, picture = out / "demo.html", out / "demo.png"
    watch = watched(plant)
    text = (
        f"{found.found} of {len(found.outcomes)} planted faults found, "
        f"{plural(len(found.false_alarms), 'false alarm')}. The rows are simulated."
    )
    render(panels, page, "Tocsin demo", Summary(text, found.tables(watch)))
    draw(panels, picture, "Tocsin demo: a simulated plant with planted faults")
    console.print(f"\nPage:    {page}")
    console.print(f"Picture: {picture}")
    if show and sys.stdout.isatty() and _has_screen():
        webbrowser.open(page.resolve().as_uri())


def stream(plant: Plant, console_width: int = 80) -> Log:
    """Run the plant through the pipeline and print incidents as they open and resolve."""
    console = stdout()
    log = Log()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=max(10, console_width // 4)))
    bar = Progress(*columns, TextColumn("{task.fields[told]}"), console=console, transient=True,
                   disable=not console.is_terminal)  # fmt: skip
    with bar, Store(None) as store:
        task = bar.add_task("plant time", total=TICKS, told="")
        run(
            the_stages().chain(plant.spec()),
            plant,
            store,
            Delivery({"screen": _Screen(bar, log)}),
            RunOptions(checkpoint_every_s=0.5, silence=False),
            watch=lambda seen: _see(seen, log, bar, task),
        )
    return log


def tell(plant: Plant, log: Log) -> Matching:
    """Print planted faults against incidents, and false alarms against the budget."""
    planted = [Planted(t.series, t.kind, t.first, t.last, t.channel) for t in plant.labels()]
    found = match(planted, list(log.incidents.values()), _SLACK_NS)
    console = stdout()
    kinds, budget, faults = found.tables(watched(plant))
    for table in (faults, kinds, budget):
        console.print("")
        tell_table(console, table)
    return found


def watched(plant: Plant) -> Watch:
    """The time that was judged, and the budget in false alarms a week a series."""
    count, period, _ = parse_budget(BUDGET)
    return Watch(plant.assets, (TICKS - WARMUP) * _TICK_NS, count * _WEEK_NS / period)


def panels_of(plant: Plant, log: Log) -> tuple[Panel, ...]:
    """The history of each asset, with the planted faults."""
    made = []
    for name in plant.names:
        rows, verdicts = log.rows[name], log.verdicts[name]
        time = np.array([when for when, _ in rows], dtype=np.int64)
        known = {verdict[0]: verdict[1:] for verdict in verdicts}
        blank = (np.nan, np.nan, np.nan, False)
        score, tail, alpha, alarm = zip(*(known.get(t, blank) for t in time.tolist()), strict=True)
        made.append(
            Panel(
                series=name,
                channels=CHANNELS,
                time=time,
                values=np.stack([values for _, values in rows]),
                score=np.array(score),
                tail=np.array(tail),
                alpha=np.array(alpha),
                alarm=np.array(alarm, dtype=bool),
                incidents=tuple(i for i in log.incidents.values() if i.series == name),
                truth=tuple(
                    Interval(t.first, t.last, t.kind) for t in plant.labels() if t.series == name
                ),
            )
        )
    return tuple(made)


@dataclass(slots=True)
class _Screen:
    """A sink that prints incidents as they open and resolve, above the progress bar."""

    bar: Progress
    log: Log

    def send(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            self.log.incidents[incident.id] = incident
            if incident.state != "revised":
                self.bar.console.print(incident_line(incident))

    def close(self) -> None:
        pass


def _see(seen: Watched, log: Log, bar: Progress, task: TaskID) -> None:
    if seen.reading is not None and len(seen.reading.time):
        reading = seen.reading
        rows = zip(reading.series, reading.time.tolist(), reading.values, strict=True)
        for name, when, values in rows:
            log.rows[name].append((when, values))
        still_open = sum(incident.state != "resolved" for incident in log.incidents.values())
        told = f"{moment(int(reading.time[-1]))}  {still_open} open"
        bar.update(task, completed=reading.position, told=told)
    verdicts = seen.outcome.verdicts
    columns = (verdicts.time, verdicts.score, verdicts.tail, verdicts.alpha, verdicts.alarm)
    lists = [column.tolist() for column in columns]
    names = list(seen.series)
    for key, *verdict in zip(verdicts.key.tolist(), *lists, strict=True):
        log.verdicts[names[key]].append(tuple(verdict))


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
