"""`tocsin score`: a file's rows judged with nothing said about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from tocsin.commands.file_rows import FileRows, read_rows, score_lines, write_scores
from tocsin.commands.left_out import tell_left_out
from tocsin.commands.opinions import Opinions, opinions
from tocsin.commands.score_explained import Told, covariate_names, explained, explanation_lines
from tocsin.commands.screen import counted, incidents_table, print_json, stderr, stdout
from tocsin.evaluation.panel import Panel
from tocsin.evaluation.wording import duration, moment, plain, plural
from tocsin.history.batch import Found, Mode, history_rows, judge_rows
from tocsin.history.choosing import Choice, choose
from tocsin.history.explaining import Origin, accounted
from tocsin.history.judging import panels
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.reasons import Reasons


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a file is to be scored; `covariates` are names between commas, for `explain`."""

    detector: str = "auto"
    train: float | None = None
    mode: Mode = "causal"
    budget: str | None = None
    as_json: bool = False
    explain: bool = False
    covariates: str | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results are written; a picture is drawn in any case unless JSON is asked for."""

    scores: Path | None = None
    picture: Path | None = None
    page: Path | None = None


def score(path: Path, wanted: Wanted, outputs: Outputs) -> None:
    """Score a file and tell what was guessed, chosen and found."""
    file = read_rows(path)
    covariates = _covariates(wanted, file)
    settings = {} if wanted.budget is None else {"budget": wanted.budget}
    rows = file.rows
    train = train_option(wanted.train)
    known = history_rows(rows, train)
    choice = choose(wanted.detector, len(rows.channels), rows.step_ns(), settings, known)
    console = stdout()
    if not wanted.as_json:
        _tell_guess(console, file, choice, wanted)
    passes = 2 if wanted.mode == "offline" else 1
    with counted(passes * len(rows), "scoring") as progress:
        found = judge_rows(rows, choice, wanted.mode, train, progress)
    if outputs.scores is not None:
        write_scores(outputs.scores, score_lines(rows, found.judged))
    series = panels(rows, found.judged)
    origin = Origin(choice.stages.scorer, found.history, causal=wanted.mode == "causal")
    told = explained(series, origin, covariates) if wanted.explain else None
    if outputs.picture is None and not wanted.as_json:
        outputs = replace(outputs, picture=Path(f"{path.stem}.tocsin.png"))
    if outputs.picture is not None or outputs.page is not None:
        drawn = [accounted(panel, origin) for panel in series]
        title = path.name if origin.causal else f"{path.name} (offline: looks both ways)"
        _draw(drawn if told is None else list(map(told.on, drawn)), title, file, outputs)
    seen = opinions(rows, found, choice, wanted.mode)
    if wanted.as_json:
        document = _document(path, file, choice, found, outputs.picture) | {"mode": wanted.mode}
        document["judged"] = seen.judged.total()
        print_json(document if told is None else _with_reasons(document, told))
        return
    _tell_found(console, file, found, told, seen)
    for what, where in (
        ("Scores", outputs.scores),
        ("Page", outputs.page),
        ("Picture", outputs.picture),
    ):
        if where is not None:
            console.print(f"{what}: {where}")


def train_option(given: float | None) -> int | float | None:
    """What `--train` says: a count as a whole number, or a share."""
    if given is None or 0 < given < 1:
        return given
    if given != int(given):
        raise ConfigError(f"--train is {given:g}, wanted a whole number or a share under 1")
    return int(given)


def _covariates(wanted: Wanted, file: FileRows) -> tuple[str, ...]:
    if wanted.covariates is None:
        return ()
    if not wanted.explain:
        raise ConfigError("--covariates goes with --explain")
    return covariate_names(wanted.covariates, file.guess)


def _draw(drawn: Sequence[Panel], title: str, file: FileRows, outputs: Outputs) -> None:
    if outputs.picture is not None:
        from tocsin.evaluation.picture import draw  # noqa: PLC0415 - matplotlib is slow to load

        draw(drawn, outputs.picture, title)
    if outputs.page is not None:
        from tocsin.evaluation.pages.history import Summary, render  # noqa: PLC0415 - plotly is slow to load

        render(drawn, outputs.page, title, Summary(" ".join(file.guess.words())))


def _tell_guess(console: Console, file: FileRows, choice: Choice, wanted: Wanted) -> None:
    for line in file.guess.words():
        console.print(plain(line, 1000))
    words = choice.words
    console.print(f"Detector: {words['detector']} ({_shown(words['settings'])}); {words['why']}.")
    console.print(f"An alarm: {words['alarms']}. Learning {words['learning']}.")
    if wanted.mode == "offline":
        console.print("Offline: scores look at later rows too; live they would be others.")
    tell_left_out(Reasons().joined(file.rejected))


def _shown(settings: dict[str, Any]) -> str:
    """Settings in a line, those of detectors within a detector too."""
    parts = [f"{name} {_value(value)}" for name, value in settings.items() if name != "kind"]
    return ", ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['kind']} ({_shown(value)})"
    if isinstance(value, list):
        return " ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tell_found(
    console: Console, file: FileRows, found: Found, told: Told | None, seen: Opinions
) -> None:
    rows, judged = file.rows, found.judged
    first, last = int(rows.time.min()), int(rows.time.max())
    span = f"{moment(first)} to {moment(last)} UTC, {duration(last - first)}"
    if judged.refused.any():
        stderr().print(
            f"Left out: {plural(int(judged.refused.sum()), 'row')} of a time that was there already"
        )
    trained = f", {found.trained_on} of them only trained on" if found.trained_on else ""
    count = plural(len(judged.incidents), "incident")
    series = plural(len(set(rows.series)), "series")
    none = "" if seen.judged else ", none of them judged,"
    console.print(f"\n{count} in {len(rows)} rows{trained}{none} of {series}, {span}")
    for line in seen.words():
        stderr().print(line)
    if judged.incidents:
        console.print(incidents_table(judged.incidents))
    if told is not None and judged.incidents:
        console.print("\nWhy:")
        for line in explanation_lines(judged.incidents, told):
            console.print(line, soft_wrap=True)
    console.print("")


def _document(
    path: Path, file: FileRows, choice: Choice, found: Found, picture: Path | None
) -> dict[str, Any]:
    fields = file.guess.fields
    return {
        "file": str(path),
        "guess": {
            "format": file.guess.format,
            "time": fields.time if file.guess.has_time else None,
            "time_unit": fields.time_unit,
            "channels": fields.channels,
            "key": fields.key,
            "labels": file.guess.labels,
            "left_out": dict(file.guess.left_out),
        },
        "chosen": dict(choice.words),
        "rows": len(file.rows),
        "rejected": dict(file.rejected),
        "refused": int(found.judged.refused.sum()),
        "trained_on": found.trained_on,
        "incidents": [
            incident.to_json()
            for incident in sorted(found.judged.incidents, key=lambda i: (i.started_at, i.id))
        ],
        "picture": None if picture is None else str(picture),
    }


def _with_reasons(document: dict[str, Any], told: Told) -> dict[str, Any]:
    """The document with an explanation in each incident, and what cannot be told beside them."""
    incidents = [
        incident | {"explanation": told.explanations[incident["id"]].to_json()}
        for incident in document["incidents"]
    ]
    return document | {"incidents": incidents, "remarks": list(told.remarks)}
