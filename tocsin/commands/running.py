"""`tocsin run` and `tocsin watch`: pipelines that go on until they are told to stop."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tocsin.commands.left_out import reasons_of, tell_left_out
from tocsin.commands.reloading import FileWatch, Settings, asked_by_hangup
from tocsin.commands.screen import stderr
from tocsin.config import Config, load
from tocsin.connectors.host import HostSource
from tocsin.connectors.sinks import TextSink
from tocsin.evaluation.wording import number, plural
from tocsin.history.choosing import choose
from tocsin.pipeline import lock
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.durations import describe_duration, parse_duration
from tocsin.pipeline.errors import SourceError, StateError
from tocsin.pipeline.order import Order
from tocsin.pipeline.runner import RunOptions, Summary, Watched, run
from tocsin.pipeline.store import Store

Stop = Callable[[], bool]


def run_config(path: Path, *, watch_config: bool = False) -> int:
    """Run a configuration; gives the exit code: 1 where incidents stay undelivered for good.

    A SourceError where a source that ends gave records and not one of them could be read.

    While it runs it takes in labels and silences that are put into its store, and the file's
    settings on SIGHUP; with `watch_config` also whenever the file changes.
    """
    config = load(path)
    _log_to_stderr()
    metrics = None if config.server is None else config.server.metrics
    with (
        config.server or nullcontext(),
        stopped_by_signals() as stop,
        open_store(config.store) as store,
        asked_by_hangup() as hung,
    ):
        asked = FileWatch(path, hung).changed if watch_config else hung
        settings = Settings(config, config.source.spec(), store, asked)
        _tell_start(config, settings.chain)
        summary = run(
            settings.chain,
            config.source,
            store,
            _delivery(config),
            config.options,
            stop=stop if metrics is None else metrics.beating(stop),
            watch=None if metrics is None else metrics.watch,
            settings=settings,
        )
    _close(config)
    tell_end(summary)
    if not config.options.silence and not stop():
        _refuse_unreadable(config, summary)
    if summary.undelivered and config.store is None:
        return 1
    return 0


def watch_host(every: str, detector: str, budget: str, seconds: float | None) -> int:
    """Watch this machine until stopped, or for some seconds; gives the exit code."""
    source = HostSource(every_ns=parse_duration(every))
    spec = source.spec()
    choice = choose(detector, len(spec.channels), source.every_ns, {"budget": budget})
    # Machines sleep, and their clocks are set: what is ahead of the last row is simply later.
    stages = replace(choice.stages, order=Order())
    chain = stages.chain(spec)
    console = stderr()
    console.print(
        f"Watching {len(spec.channels)} channels of this machine every "
        f"{describe_duration(source.every_ns)}: {', '.join(spec.channels)}."
    )
    console.print(
        f"{choice.words['detector']} warms up for {chain.scorer.warmup} rows and more; "
        f"{choice.words['alarms']}. Ctrl-C stops."
    )
    status = console.status("warming up") if console.is_terminal else None
    until = None if seconds is None else time.monotonic() + seconds
    with stopped_by_signals() as signalled, Store(None) as store:
        if status is not None:
            status.start()
        summary = run(
            chain,
            source,
            store,
            Delivery({"terminal": TextSink(sys.stdout)}),
            RunOptions(),
            stop=lambda: signalled() or (until is not None and time.monotonic() > until),
            watch=None if status is None else lambda seen: status.update(_status(seen)),
        )
        if status is not None:
            status.stop()
    tell_end(summary)
    return 0


@contextmanager
def open_store(path: Path | None) -> Iterator[Store]:
    """The store a pipeline runs on; its folder is made where it is not there yet.

    Waits while a command changes the store.
    """
    if path is None:
        with Store(None) as store:
            yield store
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{path.parent} cannot be made: {error.strerror}") from error
    with lock.running(path), Store(path) as store:
        yield store


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Whether SIGINT or SIGTERM has come; the second one ends the process as it would have."""
    asked = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def note(number: int, _frame: object) -> None:
        asked.set()
        for each, handler in before.items():
            signal.signal(each, handler)
        logging.getLogger("tocsin").info("signal %d: stopping after a checkpoint", number)

    for each in (signal.SIGINT, signal.SIGTERM):
        before[each] = signal.getsignal(each)
        signal.signal(each, note)
    try:
        yield asked.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def tell_end(summary: Summary) -> None:
    """What a run did, in a line, and why rows were left out."""
    refused = sum(summary.refused.values())
    parts = [
        plural(summary.rows, "row"),
        f"{plural(summary.opened, 'incident')} opened, {summary.resolved} resolved",
        f"{summary.rejected} unreadable and {refused} refused"
        if summary.rejected or refused
        else "",
        f"{plural(summary.forgotten, 'series')} forgotten" if summary.forgotten else "",
        f"{summary.undelivered} notifications undelivered" if summary.undelivered else "",
    ]
    stderr().print("; ".join(part for part in parts if part) + ".")
    tell_left_out(reasons_of(summary))


def _refuse_unreadable(config: Config, summary: Summary) -> None:
    """A SourceError where all that came was unreadable: the settings of the source are wrong."""
    if summary.rows or not summary.rejected:
        return
    again = (
        f"; `tocsin state reset {config.path}` makes the next run read it again"
        if config.store is not None
        else ""
    )
    raise SourceError(f"not one row of the source {config.name!r} could be read{again}")


def _delivery(config: Config) -> Delivery:
    """The sinks of a configuration; the terminal where it names none."""
    if config.delivery.sinks:
        return config.delivery
    return Delivery({"terminal": TextSink(sys.stdout)}, config.delivery.dead_letters)


def _close(config: Config) -> None:
    for sink in config.delivery.sinks.values():
        sink.close()
    if config.delivery.dead_letters is not None:
        config.delivery.dead_letters.close()


def _tell_start(config: Config, chain: Chain) -> None:
    kept = "in memory only" if config.state_dir is None else f"in {config.state_dir}"
    sinks = ", ".join(config.delivery.sinks) or "the terminal"
    stderr().print(
        f"Running {config.path}: {config.name} to {type(chain.scorer).__name__} to {sinks}; "
        f"state {kept}. Ctrl-C stops after a checkpoint."
    )


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("tocsin").setLevel(logging.INFO)


def _status(seen: Watched) -> str:
    tails = seen.outcome.verdicts.tail
    if not len(tails) or tails[-1] != tails[-1]:
        return "warming up"
    alpha = seen.outcome.verdicts.alpha[-1]
    return f"tail {number(float(tails[-1]))}; an alarm is under {number(float(alpha))}"
