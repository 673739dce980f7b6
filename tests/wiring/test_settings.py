from dataclasses import dataclass
from pathlib import Path

import pytest

from tocsin.configuration.making import construct
from tocsin.configuration.settings import check, keys_of, model_of
from tocsin.pipeline.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    left: int
    right: int = 2


@dataclass(frozen=True)
class Outer:
    name: str
    gap_ns: int = 5
    wait_s: float = 1.0
    words: tuple[str, ...] = ()
    inner: Inner | None = None
    path: Path = Path()


def outer(**values: object) -> Outer:
    given, wrong = check(model_of(Outer), values, folder=Path("/base"))
    assert wrong == []
    made: Outer = construct(Outer, given)
    return made


def test_keys_are_those_of_the_constructor_without_units() -> None:
    assert keys_of(Outer) == ("name", "gap", "wait", "words", "left", "right", "path")


def test_durations_are_read_in_the_unit_of_the_parameter() -> None:
    assert outer(name="a", gap="2s", wait="250ms") == Outer("a", 2_000_000_000, 0.25)


def test_one_text_is_a_list_of_one() -> None:
    assert outer(name="a", words="b").words == ("b",)


def test_a_dataclass_is_given_by_its_own_keys_or_left_out() -> None:
    assert outer(name="a").inner is None
    assert outer(name="a", left=3).inner == Inner(3)


def test_a_part_of_a_dataclass_is_refused() -> None:
    given, _ = check(model_of(Outer), {"name": "a", "right": 3})
    with pytest.raises(ConfigError, match="'left' must be given too"):
        construct(Outer, given)


def test_paths_are_seen_from_the_folder() -> None:
    assert outer(name="a", path="x/y").path == Path("/base/x/y")
    assert outer(name="a", path="/x").path == Path("/x")


def test_every_mistake_is_told() -> None:
    _, wrong = check(model_of(Outer), {"namee": 1, "gap": "x"})
    told = "\n".join(wrong)
    assert "did you mean 'name'" in told
    assert "$.gap: 'x' is not a duration" in told
    assert "$.name: is missing" in told
