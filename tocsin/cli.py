"""The command line: commands and their options; what they do is imported when one is called."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from tocsin import __version__
from tocsin.cli_state import ConfigPath, Json, state_app
from tocsin.pipeline.errors import ConfigError, TocsinError

DONE, FAILED, BAD_CONFIG = 0, 1, 78  # and 2 for wrong usage

app = typer.Typer(
    name="tocsin",
    help="Streaming anomaly detection: telemetry in, incidents out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(state_app, name="state")


class Mode(StrEnum):
    """How rows of a file are scored."""

    causal = "causal"
    offline = "offline"


class Listed(StrEnum):
    """What can be listed."""

    detectors = "detectors"
    connectors = "connectors"


Detector = Annotated[str, typer.Option(help="A name of `tocsin list detectors`, or auto.")]
Budget = Annotated[
    str | None, typer.Option(help="False alarms put up with, such as 2/week; a series each.")
]
Brokers = Annotated[str, typer.Option(help="host:port, several parted by commas.")]
Seed = Annotated[int, typer.Option(help="Draws the plant's noise and faults.")]


def main() -> NoReturn:
    """Run a command. Exits with 0 done, 1 failed, 2 wrong usage, 78 bad configuration."""
    try:
        app(prog_name="tocsin")
    except TocsinError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"tocsin: {error}", err=True)
        sys.exit(BAD_CONFIG if isinstance(error, ConfigError) else FAILED)
    sys.exit(DONE)


@contextmanager
def _asked() -> Iterator[None]:
    """Settings come from options here, so a wrong one is wrong usage."""
    try:
        yield
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(__version__)
        raise typer.Exit


_VERSION = typer.Option("--version", help="Print it.", callback=_print_version, is_eager=True)


@app.callback()
def _options(
    version: Annotated[bool, _VERSION] = False,  # noqa: FBT002 - `_print_version` has it
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error is from.")] = False,  # noqa: FBT002 - `main` looks for it
) -> None:
    """Before any command."""


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=5, help="How long the plant is streamed.")] = 60,
    out: Annotated[Path, typer.Option(help="Folder of the page and the picture.")] = Path(
        "tocsin-demo"
    ),
    seed: Seed = 0,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page.")] = True,  # noqa: FBT002 - an option
) -> None:
    """Find the faults planted in a simulated plant."""
    from tocsin.commands import demo as command  # noqa: PLC0415 - keeps --help light

    command.demo(seconds, out, seed, show=show)


@app.command()
def run(
    config: ConfigPath,
    watch_config: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--watch-config", help="Take the file's settings in when it changes.")
    ] = False,
) -> None:
    """Run a pipeline until its source ends or a signal."""
    from tocsin.commands import running  # noqa: PLC0415 - keeps --help light

    raise typer.Exit(running.run_config(config, watch_config=watch_config))


@app.command()
def watch(
    every: Annotated[str, typer.Option(help="Time between rows.")] = "1s",
    detector: Detector = "auto",
    budget: Annotated[str, typer.Option(help="False alarms put up with.")] = "4/day",
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop after so long.")] = None,
) -> None:
    """Watch this machine's own telemetry."""
    from tocsin.commands import running  # noqa: PLC0415 - keeps --help light

    with _asked():
        raise typer.Exit(running.watch_host(every, detector, budget, seconds))


@app.command()
def score(  # noqa: PLR0913, PLR0917 - the options of a command
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, JSON lines, a JSON array or Parquet.")
    ],
    detector: Detector = "auto",
    train: Annotated[
        float | None, typer.Option(help="Clean history: first N times, or a share under 1.")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="offline also looks at later rows.")] = Mode.causal,
    budget: Budget = None,
    scores: Annotated[Path | None, typer.Option(help="Write score, tail and alarm (CSV).")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Where the PNG goes; FILE.tocsin.png here unless given.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write an HTML page too.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell why of each incident.")] = False,  # noqa: FBT002 - an option
    covariates: Annotated[
        str | None, typer.Option(help="Channels that may explain incidents: a,b,c.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Score a file whose columns are guessed; draw it."""
    from tocsin.commands import scoring  # noqa: PLC0415 - keeps --help light

    wanted = scoring.Wanted(
        detector, train, mode.value, budget, as_json=as_json, explain=explain, covariates=covariates
    )
    with _asked():
        scoring.score(file, wanted, scoring.Outputs(scores, picture, page))


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="CSV with a column score.")],
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="CSV with a column label.")],
    window: Annotated[int, typer.Option(min=0, help="Rows around an event to allow for.")] = 100,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Measure scores against labels."""
    from tocsin.commands import evaluating  # noqa: PLC0415 - keeps --help light

    evaluating.evaluate(scores, labels, window, as_json=as_json)


@app.command()
def backtest(
    config: ConfigPath,
    data: Annotated[Path, typer.Option(help="A folder of labelled data sets.")],
    out: Annotated[Path, typer.Option(help="Where results and report go; a repeat goes on there.")],
    processes: Annotated[int, typer.Option(min=0, help="At a time; 0: one a core.")] = 0,
) -> None:
    """Run detectors over labelled data, as live, and write a report."""
    from tocsin.commands import backtesting  # noqa: PLC0415 - keeps --help light

    backtesting.backtest(config, data, out, processes)


@app.command()
def replay(
    config: ConfigPath,
    file: Annotated[Path, typer.Option("--input", help="The rows, instead of the source's.")],
    scores: Annotated[Path | None, typer.Option(help="Write score, tail and alarm (CSV).")] = None,
    incidents: Annotated[Path | None, typer.Option(help="Write every revision (JSONL).")] = None,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Play a file through a pipeline, from fresh state and to no sink."""
    from tocsin.commands import replaying  # noqa: PLC0415 - keeps --help light

    replaying.replay_config(config, file, scores, incidents, as_json=as_json)


@app.command()
def validate(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Check a configuration; opens and connects nothing."""
    from tocsin.commands import checking  # noqa: PLC0415 - keeps --help light

    if config is None and not schema:
        raise typer.BadParameter("give CONFIG or --schema")
    checking.validate(config, schema=schema)


@app.command()
def plan(
    config: ConfigPath,
    file: Annotated[Path, typer.Option("--input", help="Rows to plan by.")],
    train: Annotated[
        float | None, typer.Option(help="Clean history: first N times, or a share under 1.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Tell series, memory, speed and incidents a week before a pipeline is switched on."""
    from tocsin.commands import planning  # noqa: PLC0415 - keeps --help light

    with _asked():
        planning.plan_config(config, file, train, as_json=as_json)


@app.command()
def label(  # noqa: PLR0913, PLR0917 - the options of a command
    config: ConfigPath,
    verdict: Annotated[
        str, typer.Option(help="confirmed, expected, false_alarm, new_normal or missed.")
    ] = "",
    incident: Annotated[str, typer.Option(help="The id of the incident that is judged.")] = "",
    series: Annotated[str, typer.Option(help="Of a stretch that no incident told.")] = "",
    start: Annotated[str, typer.Option(help="Its first time.")] = "",
    end: Annotated[str, typer.Option(help="Its last time.")] = "",
    cause: Annotated[str, typer.Option(help="holiday, hardware, upgrade, …")] = "",
    author: Annotated[str, typer.Option(help="Who says so; you, unless given.")] = "",
    file: Annotated[Path | None, typer.Option(help="Take labels of a csv file.")] = None,
    topic: Annotated[str, typer.Option(help="Take the new labels of a Kafka topic.")] = "",
    export: Annotated[Path | None, typer.Option(help="Write the faults as intervals.")] = None,
    ask: Annotated[int, typer.Option(min=0, help="Name so many incidents to judge next.")] = 0,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Say what became of incidents; list what was said."""
    from tocsin.commands import labelling  # noqa: PLC0415 - keeps --help light

    said = labelling.Said(verdict, incident, series, start, end, cause, author)
    with _asked():
        if verdict:
            labelling.say(config, said)
        elif file is not None:
            labelling.take(config, file)
        elif topic:
            labelling.take_topic(config, topic)
        elif export is not None:
            labelling.export(config, export)
        elif ask:
            labelling.ask(config, ask)
        elif said != labelling.Said(""):
            labelling.say(config, said)
        else:
            labelling.show(config, as_json=as_json)


@app.command()
def silence(  # noqa: PLR0913, PLR0917 - the options of a command
    config: ConfigPath,
    series: Annotated[
        str, typer.Option(help="Shell pattern of the series that are meant; all unless given.")
    ] = "",
    start: Annotated[str, typer.Option("--from", help="Its first time; now unless given.")] = "",
    end: Annotated[str, typer.Option("--until", help="The time after its last.")] = "",
    lasting: Annotated[str, typer.Option("--for", help="How long, instead of --until.")] = "",
    keep: Annotated[bool, typer.Option("--keep-learning", help="Learn its rows.")] = False,  # noqa: FBT002 - an option
    over: Annotated[int, typer.Option("--end", help="Forget the silence of this number.")] = 0,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Keep alarms of some series from opening incidents for a while; list the silences."""
    from tocsin.commands import silencing  # noqa: PLC0415 - keeps --help light

    with _asked():
        if over:
            silencing.end(config, over)
        elif series or start or end or lasting or keep:
            wanted = silencing.Wanted(series or "*", start, end, lasting, keep_learning=keep)
            silencing.add(config, wanted, as_json=as_json)
        else:
            silencing.show(config, as_json=as_json)


@app.command()
def explain(
    config: ConfigPath,
    incident: Annotated[
        str, typer.Argument(metavar="INCIDENT", help="Its id, or its begin; without, the newest.")
    ] = "",
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Tell why an incident opened, what drove it and why it closed; list the newest."""
    from tocsin.commands import explaining  # noqa: PLC0415 - keeps --help light

    if incident:
        explaining.explain(config, incident, as_json=as_json)
    else:
        explaining.show(config, as_json=as_json)


@app.command()
def doctor(  # noqa: PLR0913, PLR0917 - the options of a command
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, JSON lines, a JSON array or Parquet.")
    ],
    detector: Detector = "auto",
    budget: Budget = None,
    rounds: Annotated[int, typer.Option(min=1, help="Self-tests of a series.")] = 5,
    series: Annotated[int, typer.Option(min=1, help="Series that are tested, at most.")] = 5,
    seed: Annotated[int, typer.Option(help="Draws the planted faults.")] = 0,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Plant known faults in a file's rows and see whether the detector finds them."""
    from tocsin.commands import doctor as command  # noqa: PLC0415 - keeps --help light

    wanted = command.Wanted(detector, budget, rounds, series, seed, as_json)
    with _asked():
        raise typer.Exit(command.diagnose(file, wanted))


@app.command(name="test")
def run_tests(
    config: ConfigPath,
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """Run the tests that stand in a configuration."""
    from tocsin.commands import checking  # noqa: PLC0415 - keeps --help light

    raise typer.Exit(checking.run_tests(config, as_json=as_json))


@app.command(name="list")
def list_(
    what: Annotated[Listed, typer.Argument(metavar="detectors|connectors")],
    as_json: Json = False,  # noqa: FBT002 - an option
) -> None:
    """List the detectors, or the sources and sinks."""
    from tocsin.commands import checking  # noqa: PLC0415 - keeps --help light

    checking.list_known(what.value, as_json=as_json)


@app.command()
def produce(
    brokers: Brokers,
    topic: Annotated[str, typer.Option(help="The topic to write to.")],
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so long.")] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="1 is real time.")] = 1.0,
    seed: Seed = 0,
) -> None:
    """Send the simulated plant to Kafka, in real time."""
    from tocsin.commands import producing  # noqa: PLC0415 - keeps --help light

    with _asked():
        producing.produce(producing.Target(brokers, topic), seconds, speed, seed)


@app.command(name="train-zero-shot")
def train_zero_shot(
    out: Annotated[Path, typer.Option(help="Where it trains; a repeat goes on there.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Batches; by default those of the shipped weights.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the windows and the first weights.")] = 0,
    form: Annotated[
        Literal["live", "offline"], typer.Option(help="What the encoder is to read.")
    ] = "live",
    ahead: Annotated[bool, typer.Option(help="Draw windows in a second process.")] = True,  # noqa: FBT002 - an option
) -> None:
    """Train the encoder of the detector rcd anew, on series of our own making."""
    from tocsin.commands import training  # noqa: PLC0415 - keeps --help light

    course = training.course_of(form, steps)
    training.train_zero_shot(out, form, seed, course, ahead=ahead)
