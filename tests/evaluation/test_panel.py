from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tocsin.evaluation.panel import (
    Expected,
    Panel,
    blamed_first,
    leading,
    most_interesting,
    painted,
    span,
    standardise,
    standardised_like,
    subject,
    surprise,
    training,
    warmup,
)
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.incidents import Incident, Level

SECOND = 1_000_000_000


def panel(series="pump", channels=("a", "b", "c"), **changes):
    rows = 4
    plain = Panel(
        series=series,
        channels=channels,
        time=SECOND * np.arange(rows),
        values=np.zeros((rows, len(channels))),
        score=np.zeros(rows),
        tail=np.ones(rows),
        alpha=np.full(rows, 1e-3),
        alarm=np.zeros(rows, dtype=bool),
        incidents=(),
    )
    return replace(plain, **changes)


def incident(level: Level = "warning", severity=3.0, channels=()):
    return Incident(
        "i", 1, "open", "anomaly", "pump", 0, 0, None, 0, 1.0, 1e-3, 1e-2, severity, level, 1,
        channels, "",
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"score": np.zeros(3)},
        {"alarm": np.zeros(5, dtype=bool)},
        {"values": np.zeros((4, 2))},
        {"time": np.array([0, 2, 1, 3])},
        {"expected": Expected(np.zeros((4, 3)), np.zeros((4, 2)))},
    ],
)
def test_columns_that_do_not_fit_are_refused_by_series(changes):
    with pytest.raises(TocsinError, match="series 'pump'"):
        panel(**changes)


def test_the_worst_incidents_come_first_and_quiet_series_last():
    quiet = panel("quiet")
    health = panel("health", incidents=(incident("error", np.nan),))
    mild = panel("mild", incidents=(incident("warning", 9.0),))
    bad = panel("bad", incidents=(incident("error", 5.0), incident("info", 9.0)))
    order = [p.series for p in most_interesting([quiet, mild, health, bad], 3)]
    assert order == ["bad", "health", "mild"]


def test_channels_are_ordered_by_their_blame_over_all_incidents():
    blamed = (incident(channels=(("c", 0.6), ("b", 0.4))), incident(channels=(("b", 0.9),)))
    assert blamed_first(panel(incidents=blamed), 2) == [1, 2]
    assert blamed_first(panel(), 2) == [0, 1]


def test_a_blamed_channel_that_the_panel_lacks_is_passed_over():
    assert blamed_first(panel(incidents=(incident(channels=(("z", 1.0),)),)), 3) == [0, 1, 2]


def test_a_channel_is_painted_by_its_place_whatever_is_blamed():
    blamed = panel(incidents=(incident(channels=(("c", 1.0),)),))
    for panels in ([panel()], [blamed], [blamed, panel("fan")]):
        assert painted(panels, 3, 8) == {"a": 0, "b": 1, "c": 2}
    assert painted([blamed], 1, 8) == {"c": 2}


def test_more_channels_than_colours_share_none_within_a_panel():
    names = tuple("abcdefghijkl")
    groups = ("adgj", "behk", "bcfi")  # a, e and i are four places apart
    panels = [
        panel(channels=names, incidents=(incident(channels=tuple((n, 1.0) for n in group)),))
        for group in groups
    ]
    values = [replace(one, values=np.zeros((4, 12))) for one in panels]
    found = painted(values, 4, 4)
    assert all(len({found[name] for name in group}) == 4 for group in groups)


def test_more_channels_than_colours_take_those_that_nobody_has():
    blamed = incident(channels=(("a", 0.6), ("e", 0.4)))
    told = panel(channels=tuple("abcde"), values=np.zeros((4, 5)), incidents=(blamed,))
    assert painted([told], 2, 4) == {"a": 0, "e": 1}


def test_leading_channels_are_those_that_some_incident_blames_most():
    blamed = (incident(channels=(("c", 0.6), ("b", 0.4))), incident())
    assert leading(panel(incidents=blamed)) == {"c"}


def test_a_health_incident_is_about_its_kind_and_its_channel():
    stuck = replace(incident(channels=(("a", 1.0),)), kind="out_of_range")
    assert subject(stuck) == "out of range: a"
    assert subject(replace(stuck, channels=())) == "out of range"


@given(arrays(float, (30, 2), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_standardised_values_keep_order_and_gaps(values):
    result = standardise(values)
    assert (np.isnan(result) == np.isnan(values)).all()
    for before, after in zip(values.T, result.T, strict=True):
        known = after[np.argsort(before)]
        known = known[~np.isnan(known)]
        assert (known[1:] >= known[:-1]).all()


def test_standardised_channels_have_one_scale():
    normal = np.random.default_rng(3).normal([5.0, -100.0], [0.1, 40.0], (4000, 2))
    assert standardise(normal).std(axis=0) == pytest.approx([1.0, 1.0], abs=0.05)


def test_surprise_is_bounded_and_keeps_no_opinion():
    values = surprise(np.array([1e-300, 0.01, np.nan]))
    assert values[:2].tolist() == [16.0, 2.0]
    assert np.isnan(values[2])


def test_warmup_ends_with_the_first_alarm_level():
    cold = np.array([np.nan, np.nan, 1e-3, np.nan])
    assert warmup(panel(alpha=cold)) == (0, SECOND)
    assert warmup(panel()) is None


def test_warmup_begins_after_what_was_trained_on():
    cold = panel(alpha=np.array([np.nan, np.nan, np.nan, 1e-3]), trained=2)
    assert training(cold) == (0, SECOND)
    assert warmup(cold) == (2 * SECOND, 2 * SECOND)
    assert warmup(replace(cold, trained=3)) is None
    assert training(panel()) is None


def test_a_span_covers_all_rows_and_is_never_empty():
    late = panel(time=SECOND * np.arange(7, 11))
    assert span([panel(), late]) == (0, 10 * SECOND)
    assert span([]) == (0, SECOND)


def test_a_band_reaches_three_usual_misses_to_either_side():
    told = Expected(np.array([[1.0, np.nan]]), np.array([[0.5, np.nan]]))
    low, high = told.band()
    np.testing.assert_array_equal(low, [[-0.5, np.nan]])
    np.testing.assert_array_equal(high, [[2.5, np.nan]])


def test_a_band_is_standardised_as_its_signal_is():
    values = np.random.default_rng(0).normal(5.0, 3.0, (50, 2))
    drawn = standardised_like(values[:3] + np.array([1.0, 2.0]), values)
    spread = standardise(values)[1] - standardise(values)[0]
    per_unit = spread / (values[1] - values[0])
    np.testing.assert_allclose(drawn - standardise(values)[:3], [per_unit * [1.0, 2.0]] * 3)
