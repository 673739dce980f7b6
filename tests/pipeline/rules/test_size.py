"""An alarm counts where its channel is far enough, on the right side, of a plausible value."""

import numpy as np
import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.rules.size import Size, sizes_of
from tocsin.pipeline.rules.verdicts import ALARM, DIRECTION, INVALID, SMALL

NAN = float("nan")


def verdict(
    rules: tuple[Size, ...], value: list[float], blame: list[float] | None = None, usual: float = 10
) -> int:
    channels = ("flow", "heat")[: len(value)]
    sizes = sizes_of(rules, "pump", channels)
    assert sizes is not None
    given = None if blame is None else np.array(blame)
    return sizes.verdict(np.array(value), np.full(len(value), float(usual)), given)


@pytest.mark.parametrize(
    ("rule", "value", "wanted"),
    [
        (Size(), 10.0, ALARM),
        (Size(direction="up"), 10.1, ALARM),
        (Size(direction="up"), 9.9, DIRECTION),
        (Size(direction="down"), 9.9, ALARM),
        (Size(direction="down"), 10.1, DIRECTION),
        (Size(least=2), 11.9, SMALL),
        (Size(least=2), 12.0, ALARM),
        (Size(least=2), 8.1, SMALL),
        (Size(least_share=0.5), 14.9, SMALL),
        (Size(least_share=0.5), 15.0, ALARM),
        (Size(least=1, least_share=0.5), 12.0, SMALL),
        (Size(high=20), 20.0, ALARM),
        (Size(high=20), 20.1, INVALID),
        (Size(low=-5), -5.1, INVALID),
        (Size(direction="up", least=2), NAN, ALARM),
    ],
)
def test_each_rule_has_its_edge(rule: Size, value: float, wanted: int) -> None:
    assert verdict((rule,), [value]) == wanted


def test_a_usual_level_that_is_not_known_suppresses_nothing() -> None:
    assert verdict((Size(direction="up", least=5),), [1.0], usual=NAN) == ALARM


def test_the_most_blamed_channel_decides() -> None:
    rules = (Size(channel="heat", least=5),)
    assert verdict(rules, [10.1, 10.1], blame=[1.0, 2.0]) == SMALL
    assert verdict(rules, [10.1, 10.1], blame=[2.0, 1.0]) == ALARM


def test_without_blame_one_present_channel_that_keeps_its_rule_is_enough() -> None:
    rules = (Size(least=5),)
    assert verdict(rules, [10.1, 30.0], blame=[0.0, 0.0]) == ALARM
    assert verdict(rules, [10.1, 10.2]) == SMALL
    assert verdict(rules, [NAN, 10.2]) == SMALL
    assert verdict(rules, [NAN, NAN]) == ALARM


def test_the_last_match_wins() -> None:
    rules = (Size(least=5), Size(series="pu*", channel="flow"), Size(series="fan", least=9))
    assert verdict(rules, [10.1]) == ALARM
    assert verdict(rules, [10.1, 10.1], blame=[0.0, 1.0]) == SMALL


def test_series_that_no_rule_names_have_none() -> None:
    assert sizes_of((Size(series="fan"),), "pump", ("flow",)) is None


def test_frames_have_one_rule_for_all_pixels() -> None:
    sizes = sizes_of((Size(direction="up"),), "camera", ())
    assert sizes is not None
    assert sizes.verdict(np.array([9.0, 8.0]), np.full(2, 10.0), None) == DIRECTION


@pytest.mark.parametrize(
    "settings",
    [{"least": -1.0}, {"least_share": NAN}, {"low": 2.0, "high": 1.0}, {"direction": "left"}],
)
def test_what_is_no_size_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Size(**settings)  # type: ignore[arg-type]  # settings of several types
