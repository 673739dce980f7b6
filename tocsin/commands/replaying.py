"""`tocsin replay`: a file through the very chain of a configuration, from fresh state."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from tocsin.commands.file_rows import write_scores
from tocsin.commands.left_out import briefly, counts_of, reasons_of
from tocsin.commands.running import tell_end
from tocsin.commands.screen import incidents_table, print_json, stdout
from tocsin.config import Config, load
from tocsin.connectors.files import open_file
from tocsin.evaluation.saving import save
from tocsin.evaluation.wording import plural
from tocsin.pipeline.chain import ChainState, naming
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.incidents import Incident, iso
from tocsin.pipeline.ports import Source
from tocsin.pipeline.runner import RunOptions, Summary, Watched, run
from tocsin.pipeline.standing import standing
from tocsin.pipeline.store import Store

Line = tuple[str, str, float, float, bool]


@dataclass(slots=True)
class Replay:
    """What a replay gave: every revision in order, verdicts by row, counts, the first row's time.

    `lines` are kept only where `keeps_lines`. `states` are those of the partitions at the end,
    `last` the incidents as they stand by then.
    """

    keeps_lines: bool = False
    revisions: list[Incident] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    first_ns: int | None = None
    summary: Summary = field(default_factory=Summary)
    states: dict[str, ChainState] = field(default_factory=dict)
    last: dict[str, Incident] = field(default_factory=dict)

    def latest(self) -> list[Incident]:
        """The incidents, under their last revision but as they stand at the end, oldest first."""
        return sorted(self.last.values(), key=lambda i: (i.started_at, i.id))

    def see(self, seen: Watched) -> None:
        """Take note of a step."""
        self.revisions += seen.outcome.incidents
        self.states[seen.part] = seen.state
        if seen.reading is not None and len(seen.reading.time):
            first = int(seen.reading.time.min())
            self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
        if self.keeps_lines:
            verdicts = seen.outcome.verdicts
            names = [str(seen.series[key]) for key in verdicts.key.tolist()]
            columns = (verdicts.score.tolist(), verdicts.tail.tolist(), verdicts.alarm.tolist())
            times = [iso(when) for when in verdicts.time.tolist()]
            self.lines += list(zip(times, names, *columns, strict=True))


def replay(config: Config, path: Path, *, keeps_lines: bool = False) -> Replay:
    """Play a file through a configuration's chain: no state is read or written, no sink is told.

    The file is read with the source's field map, or its columns are guessed where the source has
    none. The incidents are those that a live run over the same rows has, id for id.
    """
    source = _file(config, path)
    played = Replay(keeps_lines)
    options = RunOptions(on_late="drop", silence=False)
    chain = config.stages.chain(source.spec())
    with Store(None) as store:
        played.summary = run(
            chain,
            source,
            store,
            Delivery({}),
            options,
            watch=played.see,
        )
    played.last = {incident.id: incident for incident in played.revisions}
    for state in played.states.values():
        names = naming(chain, state)
        played.last = standing(chain.episodes, state.episodes, names, played.last)
    return played


def replay_config(
    path: Path, file: Path, scores: Path | None, incidents: Path | None, *, as_json: bool
) -> None:
    """Replay a file and tell the incidents; a SourceError where no row of it could be read."""
    played = replay(load(path), file, keeps_lines=scores is not None)
    if not played.summary.rows:
        raise SourceError(no_row(file, played.summary))
    if scores is not None:
        write_scores(scores, played.lines)
    if incidents is not None:
        save(incidents, b"".join(orjson.dumps(i.to_json()) + b"\n" for i in played.revisions))
    if as_json:
        print_json(_document(played))
        return
    _tell(played.latest())
    tell_end(played.summary)


def no_row(file: Path, summary: Summary) -> str:
    """That no row of a file could be read, and why."""
    return f"{file} has no row that can be read{briefly(summary.rejected_for)}"


def _file(config: Config, path: Path) -> Source:
    source = open_file(path, config.fields, config.dialect)
    wanted, found = config.source, source.spec()
    if config.fields is None and type(wanted).__name__ in ("HostSource", "Plant"):
        need = wanted.spec().channels
        if need != found.channels:
            raise ConfigError(
                f"{path} has channels {', '.join(found.channels)}; "
                f"the source {config.name!r} gives {', '.join(need)}"
            )
    return source


def _document(played: Replay) -> dict[str, object]:
    summary = played.summary
    return {
        "rows": summary.rows,
        "rejected": summary.rejected,
        "refused": dict(summary.refused),
        "left_out": counts_of(reasons_of(summary)),
        "incidents": [incident.to_json() for incident in played.latest()],
    }


def _tell(incidents: Sequence[Incident]) -> None:
    console = stdout()
    console.print(plural(len(incidents), "incident"))
    if incidents:
        console.print(incidents_table(incidents))
