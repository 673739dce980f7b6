"""Whatever is put in: a clear error or a dead letter with its reason, counted, nothing lost.

The series beside it get the verdicts that they get without it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from brokers import Broker, free_port
from oracles.messages import BAD, BEGIN, TICKS, message, stream
from oracles.runs import Scripted, World

from tocsin.connectors.memory import Item, Row
from tocsin.connectors.records import FieldMap, Stored, decode
from tocsin.detectors.classical.ewma import Ewma
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.runner import RunOptions, Watched
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Batch, Scores, Traits

FIELDS = FieldMap(time="t", channels=("x", "y"), key=("id",), max_bytes=1 << 20)
CHAIN = Chain(
    FIELDS.spec(),
    Ewma(),
    calibrator=Conformal(history=200, alone=20, least=10, pool=40),
    threshold=FixedTail(0.02),
)
QUIET = RunOptions(checkpoint_every_s=1e9, silence=False)
Verdict = tuple[int, float, float, bool]


@dataclass
class Judged:
    """What became of a stream."""

    world: World
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    rejected: int = 0
    refused: int = 0

    def see(self, seen: Watched) -> None:
        found = seen.outcome.verdicts
        columns = (found.time, found.score, found.tail, found.alarm)
        for key, *verdict in zip(found.key.tolist(), *(c.tolist() for c in columns), strict=True):
            self.verdicts.setdefault(str(seen.series[key]), []).append(tuple(verdict))

    def judged(self) -> int:
        return sum(map(len, self.verdicts.values()))

    def of(self, series: str, first: int = 0) -> str:
        """The verdicts of a series from a tick on, as text: NaN is itself there."""
        rows = self.verdicts.get(series, [])
        return repr([row for row in rows if row[0] >= (BEGIN + first) * 10**9])

    def reasons(self) -> set[str]:
        return {letter.reason for letter in self.world.letters.letters.values()}


def judge(
    folder: Path,
    messages: Sequence[bytes | Stored],
    fields: FieldMap = FIELDS,
    chain: Chain = CHAIN,
) -> Judged:
    """Run messages of a partition through, a hundred at a time."""
    stored = [
        one if isinstance(one, Stored) else Stored(one, at) for at, one in enumerate(messages)
    ]

    def script(desk: Desk) -> Iterator[Reading]:
        desk.claim("t/0")
        for first in range(0, len(stored), 100):
            some = stored[first : first + 100]
            yield decode(some, "t/0", first + len(some), fields)

    found = Judged(World(folder / f"{len(list(folder.iterdir()))}.db", {}))
    summary = found.world.run(QUIET, chain=chain, source=Scripted(script), watch=found.see)
    found.rejected = summary.rejected
    found.refused = summary.refused.total()
    assert found.judged() + found.refused + found.rejected == len(stored), "something was lost"
    assert len(found.world.letters.letters) == found.refused + found.rejected
    return found


def expect_others_untouched(found: Judged, wanted: Judged, series: str = "abc") -> None:
    for one in series:
        assert found.of(one) == wanted.of(one)
        assert "True" in wanted.of(one), "a series without an alarm shows little"
    assert found.world.told() == wanted.world.told()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "cut json": (b'{"id": "a", "t": 17', "not JSON"),
    "empty": (b"", "not JSON|empty"),
    "no utf-8": (b'{"id": "\xff\xfe"}', "not JSON"),
    "a number": (b"17", "object"),
    "text for a number": (message("d", 5, x="3.5"), "channel 'x' holds text, not a number"),
    "true for a number": (message("d", 5, x=True), "channel 'x' holds true or false"),
    "a list for a number": (message("d", 5, y=[1.0]), "channel 'y' holds a list"),
    "nan": (b'{"id": "d", "t": 1760000000, "x": NaN, "y": 1}', "not JSON"),
    "infinity": (b'{"id": "d", "t": 1760000000, "x": -Infinity, "y": 1}', "not JSON"),
    "past a double": (b'{"id": "d", "t": 1760000000, "x": 1e999, "y": 1}', "not JSON"),
    "null key": (message("d", 5, id=None), "'id'"),
    "a fraction for a key": (message("d", 5, id=1.5), "'id'"),
    "unknown channels": (b'{"id": "d", "t": 1760000000, "z": 1.0}', "no known channel"),
    "no time": (b'{"id": "d", "x": 1.0, "y": 1.0}', "no time"),
    "a word for a time": (message("d", 5, time="soon"), "time 'soon' is not"),
    "far past": (message("d", 5, time=-5), "time"),
    "far future": (message("d", 5, time=10**30), "time"),
    "fifty megabytes": (
        b'{"id": "' + b"a" * 50_000_000 + b'"}',
        "50000010 bytes is over max_bytes",
    ),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(tmp_path_factory.mktemp("undisturbed"), stream())


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_dead_letter_with_the_reason(
    tmp_path: Path, undisturbed: Judged, name: str
) -> None:
    body, why = UNREADABLE[name]
    times = 1 if len(body) > 10**6 else len(BAD)
    found = judge(tmp_path, stream(lambda tick: [body] * (tick in BAD[:times])))
    assert (found.rejected, found.refused) == (times, 0)
    assert {letter.value for letter in found.world.letters.letters.values()} == {body}
    assert all(_holds(why, reason) for reason in found.reasons()), found.reasons()
    expect_others_untouched(found, undisturbed)


def _holds(why: str, reason: str) -> bool:
    return any(part in reason for part in why.split("|"))


REFUSED: dict[str, tuple[Callable[[int], bytes], str]] = {
    "duplicates": (lambda tick: message("a", tick), "already has a row of this time"),
    "disorder": (lambda tick: message("b", tick - 40, x=7.0), "older than its series' newest"),
    "a clock that runs back": (
        lambda tick: message("c", 2 * BAD[0] - tick - 1, x=7.0),
        "older than its series' newest",
    ),
    "far ahead": (lambda tick: message("c", tick + 10**7), "far ahead of the partition's clock"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_rows_out_of_place_are_dead_letters_with_the_reason(
    tmp_path: Path, undisturbed: Judged, name: str
) -> None:
    bad, why = REFUSED[name]
    found = judge(tmp_path, stream(lambda tick: [bad(tick)]))
    assert (found.rejected, found.refused) == (0, len(BAD))
    assert all(why in reason for reason in found.reasons())
    values = {letter.value for letter in found.world.letters.letters.values()}
    assert values == {bad(tick) for tick in BAD}
    expect_others_untouched(found, undisturbed)


def test_all_bad_things_at_once_lose_nothing(tmp_path: Path, undisturbed: Judged) -> None:
    def bad(tick: int) -> list[bytes]:
        unreadable = [body for body, _ in UNREADABLE.values() if len(body) < 10**6]
        return unreadable + [make(tick) for make, _ in REFUSED.values()]

    found = judge(tmp_path, stream(bad))
    assert found.rejected == (len(UNREADABLE) - 1) * len(BAD)
    assert found.refused == len(REFUSED) * len(BAD)
    expect_others_untouched(found, undisturbed)


def iso(tick: int) -> str:
    return f"{np.datetime64(BEGIN + tick, 's')}Z"


def test_seconds_milliseconds_nanoseconds_and_iso_may_be_mixed_up(
    tmp_path: Path, undisturbed: Judged
) -> None:
    def written(tick: int, place: int) -> Any:
        second = BEGIN + tick
        ways = (second, second * 10**3, second * 10**6, second * 10**9, iso(tick), float(second))
        return ways[(tick + place) % len(ways)]

    mixed = [
        message(series, tick, time=written(tick, place))
        for tick in range(TICKS)
        for place, series in enumerate("abc")
    ]
    found = judge(tmp_path, mixed)
    assert (found.rejected, found.refused) == (0, 0)
    expect_others_untouched(found, undisturbed)


def test_a_unit_that_was_named_is_held_to(tmp_path: Path, undisturbed: Judged) -> None:
    def milliseconds(tick: int) -> list[bytes]:
        return [message("a", tick, time=(BEGIN + tick) * 1000)]

    found = judge(tmp_path, stream(milliseconds), replace(FIELDS, time_unit="s"))
    assert found.rejected == len(BAD)
    expect_others_untouched(found, undisturbed)


def test_messages_without_a_key_are_one_series_or_are_refused(tmp_path: Path) -> None:
    keyless = replace(FIELDS, key=())
    sent = [Stored(message("?", tick), tick, key=None) for tick in range(30)]
    assert judge(tmp_path, sent, keyless).verdicts.keys() == {"series"}
    found = judge(tmp_path, sent, replace(keyless, unkeyed=""))
    assert found.rejected == 30
    assert all("key" in reason for reason in found.reasons())


def test_a_key_that_is_no_text_is_refused(tmp_path: Path, undisturbed: Judged) -> None:
    def stored(body: bytes, at: int) -> Stored:
        key = b"\xff" if b'"d"' in body else json.loads(body)["id"].encode()
        return Stored(body, at, key)

    bodies = stream(lambda tick: [message("d", tick)])
    found = judge(
        tmp_path, [stored(body, at) for at, body in enumerate(bodies)], replace(FIELDS, key=())
    )
    assert found.rejected == len(BAD)
    expect_others_untouched(found, undisturbed)


@pytest.mark.parametrize("gap", [{"x": None}, {"x": None, "y": None}], ids=["one", "all"])
def test_missing_values_are_no_opinion_and_the_series_goes_on(
    tmp_path: Path, undisturbed: Judged, gap: dict[str, None]
) -> None:
    def worse(tick: int) -> bytes:
        return message("c", tick, **(gap if tick in BAD else {}))

    sent = [
        body
        for tick in range(TICKS)
        for body in (message("a", tick), message("b", tick), worse(tick))
    ]
    found = judge(tmp_path, sent)
    assert (found.rejected, found.refused) == (0, 0)
    blank = [verdict for verdict in found.verdicts["c"] if (verdict[0] // 10**9 - BEGIN) in BAD]
    assert len(blank) == len(BAD)
    if len(gap) == 2:
        assert all(np.isnan(score) and not alarm for _, score, _, alarm in blank)
    assert found.of("a") == undisturbed.of("a")
    assert found.of("b") == undisturbed.of("b")


def memory_rows(spoil: Callable[[int], float | None]) -> list[Item]:
    """The stream's rows of series a and c; `spoil` may replace a value of c."""
    rows: list[Item] = []
    for tick in range(TICKS):
        for series in "ac":
            body = json.loads(message(series, tick))
            worse = spoil(tick) if series == "c" else None
            values = [body["x"] if worse is None else worse, body["y"]]
            rows.append(Row(series, body["t"] * 10**9, values))
    return rows


def judge_rows(folder: Path, rows: list[Item], chain: Chain = CHAIN) -> Judged:
    found = Judged(World(folder / f"{len(list(folder.iterdir()))}.db", {"m": rows}))
    summary = found.world.run(QUIET, chain=chain, watch=found.see)
    assert summary.rows == found.judged() == len(rows)
    return found


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e308, 5e-324])
def test_values_past_reason_harm_only_the_rows_they_stand_in(tmp_path: Path, value: float) -> None:
    calm = judge_rows(tmp_path, memory_rows(lambda _: None))
    found = judge_rows(tmp_path, memory_rows(lambda tick: value if tick == BAD[0] else None))
    assert found.of("a") == calm.of("a")
    later = [score for at, score, _, _ in found.verdicts["c"] if at > (BEGIN + 160) * 10**9]
    assert np.isfinite(later).all(), "the series must have its opinion back"


@dataclass(frozen=True)
class Faulty:
    """`Ewma`, but it raises, or has no opinion, where the first channel is over 1e6."""

    raises: bool = True

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return Ewma().warmup

    def start(self, spec: Any) -> Any:
        return Ewma().start(spec)

    def score(self, state: Any, batch: Batch) -> Scores:
        huge = batch.values[:, -1, 0] > 1e6
        if self.raises and huge.any():
            raise ArithmeticError("too much")
        scores = Ewma().score(state, batch)
        return Scores(np.where(huge, np.nan, scores.value), scores.blame)

    def learn(self, state: Any, batch: Batch) -> None:
        Ewma().learn(state, batch.take(batch.values[:, -1, 0] <= 1e6))


@pytest.mark.parametrize("raises", [True, False], ids=["raises", "returns NaN"])
def test_a_detector_in_trouble_has_no_opinion_and_the_others_go_on(
    tmp_path: Path, *, raises: bool
) -> None:
    chain = replace(CHAIN, scorer=Faulty(raises=raises))
    calm = judge_rows(tmp_path, memory_rows(lambda _: None), chain)
    found = judge_rows(tmp_path, memory_rows(lambda tick: 1e7 if tick in BAD else None), chain)
    blank = [row for row in found.verdicts["c"] if (row[0] // 10**9 - BEGIN) in BAD]
    assert len(blank) == len(BAD)
    assert all(np.isnan(score) and np.isnan(tail) and not alarm for _, score, tail, alarm in blank)
    assert found.of("a") == calm.of("a")
    failures = [text for text in found.world.told().values() if "kind='detector_failed'" in text]
    assert bool(failures) is raises
    assert all("series='c'" in text for text in failures)


def test_a_detector_that_raises_on_everything_stops_nothing(tmp_path: Path) -> None:
    rows = memory_rows(lambda _: 1e7)
    found = judge_rows(tmp_path, rows, replace(CHAIN, scorer=Faulty()))
    assert np.isnan([score for _, score, _, _ in found.verdicts["c"]]).all()
    assert np.isfinite([score for _, score, _, _ in found.verdicts["a"][100:]]).all()


@pytest.mark.kafka
def test_a_topic_that_is_not_there_ends_the_run_with_its_name(
    broker: Broker, tmp_path: Path
) -> None:
    kafka = pytest.importorskip("tocsin.connectors.kafka")
    settings = kafka.KafkaSettings(broker.address, "nowhere", "g", FIELDS, topic_wait_s=0.2)
    one = World(tmp_path / "s.db", {})
    with pytest.raises(SourceError, match=r"'nowhere' at .* is not there"):
        one.run(chain=CHAIN, source=kafka.KafkaSource(settings))


@pytest.mark.kafka
@pytest.mark.slow
def test_a_broker_that_is_down_at_start_is_waited_for_and_nothing_is_lost(
    start_broker: Callable[..., Broker], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = pytest.importorskip("tocsin.connectors.kafka")
    port = free_port()
    settings = kafka.KafkaSettings(f"127.0.0.1:{port}", "late", "g", FIELDS, topic_wait_s=20.0)
    sent = stream(lambda _: [b"{bad"])
    found = Judged(World(tmp_path / "s.db", {}))
    up: list[Broker] = []

    def enough() -> bool:
        if not up and "cannot be reached" in caplog.text:
            up.append(start_broker(port))
            up[0].topic(name="late")
            up[0].send("late", sent)
        letters = len(found.world.letters.letters)
        return found.judged() + letters == len(sent) if letters else False

    options = RunOptions(checkpoint_every_s=0.0, finish=False)
    source = kafka.KafkaSource(settings)
    found.world.run(options, chain=CHAIN, source=source, watch=found.see, stop=enough)
    assert found.judged() == TICKS * 3
    assert len(found.world.letters.letters) == len(BAD)
