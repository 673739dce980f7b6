"""People are asked where an answer tells most."""

from tocsin.evaluation.asking import next_to_ask
from tocsin.pipeline.incidents import Incident, Kind
from tocsin.pipeline.labels import label_for


def incident(
    name: str, tail: float, series: str = "a", kind: Kind = "anomaly", asks: str = ""
) -> Incident:
    return Incident(
        id=name, revision=1, state="open", kind=kind, series=series, started_at=0, opened_at=0,
        ended_at=None, peak_at=0, score=1.0, tail=tail, alpha=1e-2, severity=2.0, level="warning",
        rows=1, channels=(), reason="", asks=asks,
    )  # fmt: skip


def asked(given: list[Incident], most: int = 9, labelled: tuple[str, ...] = ()) -> list[str]:
    labels = [label_for(each, "confirmed") for each in given if each.id in labelled]
    return [each.id for each in next_to_ask(given, labels, most)]


def test_the_least_sure_come_first() -> None:
    assert asked([incident("sure", 1e-9), incident("unsure", 9e-3)]) == ["unsure", "sure"]


def test_one_that_asks_comes_before_all() -> None:
    given = [incident("unsure", 9e-3), incident("asks", 1e-9, asks="is this the new normal?")]
    assert asked(given) == ["asks", "unsure"]


def test_questions_go_around_the_series() -> None:
    given = [incident("a1", 9e-3), incident("a2", 8e-3), incident("b1", 5e-3, series="b")]
    assert asked(given) == ["a1", "b1", "a2"]


def test_a_series_with_a_label_waits() -> None:
    given = [incident("a1", 9e-3), incident("a2", 8e-3), incident("b1", 5e-3, series="b")]
    assert asked(given, labelled=("a1",)) == ["b1", "a2"]


def test_health_is_never_asked_about_and_no_more_than_there_is_time_for() -> None:
    given = [incident("h", 9e-3, kind="stale"), incident("x", 9e-3), incident("y", 1e-3)]
    assert asked(given, most=1) == ["x"]
