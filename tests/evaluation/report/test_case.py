from dataclasses import replace

import numpy as np
import pytest

from tocsin.evaluation.panel import Interval, Panel
from tocsin.evaluation.report.case import COLOURS, SIGNS, case_figure, judgement
from tocsin.pipeline.incidents import Incident

SECOND = 1_000_000_000


def incident(name, first, last):
    return Incident(
        id=name,
        revision=1,
        state="resolved",
        kind="anomaly",
        series="pump",
        started_at=first * SECOND,
        opened_at=first * SECOND,
        ended_at=None if last is None else last * SECOND,
        peak_at=first * SECOND,
        score=9.0,
        tail=1e-6,
        alpha=1e-3,
        severity=6.0,
        level="error",
        rows=3,
        channels=(),
        reason="unusual",
    )


def panel(truth=(), incidents=(), rows=200):
    return Panel(
        series="pump",
        channels=("speed",),
        time=SECOND * np.arange(rows),
        values=np.zeros((rows, 1)),
        score=np.zeros(rows),
        tail=np.full(rows, 0.5),
        alpha=np.full(rows, 1e-3),
        alarm=np.zeros(rows, dtype=bool),
        incidents=tuple(incident(*each) for each in incidents),
        truth=tuple(Interval(start * SECOND, end * SECOND, "fault") for start, end in truth),
    )


def starts(intervals):
    return [interval.start // SECOND for interval in intervals]


def test_an_event_is_hit_if_any_incident_overlaps_it_and_missed_otherwise():
    found = judgement(panel([(10, 20), (50, 60), (90, 95)], [("a", 20, 30), ("b", 96, 99)]))
    assert starts(found.hit) == [10]
    assert starts(found.missed) == [50, 90]


def test_an_incident_over_no_event_is_false():
    found = judgement(panel([(10, 20)], [("a", 15, 30), ("b", 40, 45)]))
    assert [each.id for each in found.right] == ["a"]
    assert [each.id for each in found.false] == ["b"]


def test_one_long_incident_hits_all_it_overlaps():
    found = judgement(panel([(10, 20), (50, 60)], [("a", 15, None)]))
    assert starts(found.hit) == [10, 50]
    assert found.false == ()


def test_without_labels_every_incident_is_false():
    found = judgement(panel([], [("a", 15, 20)]))
    assert len(found.false) == 1
    assert found.hit == found.missed == ()


def with_health(judged):
    """The panel with its first incident as one that tells of a stuck signal."""
    first, *others = judged.incidents
    return replace(judged, incidents=(replace(first, kind="stuck"), *others))


def test_a_health_incident_neither_hits_an_event_nor_is_false():
    over_one, over_none = ([("a", 15, 30)], [("b", 90, 95)])
    for spans in (over_one, over_none):
        found = judgement(with_health(panel([(10, 20)], spans)))
        assert starts(found.missed) == [10]
        assert found.hit == found.right == found.false == ()
        assert [each.id for each in found.health] == [spans[0][0]]


def bars(figure):
    """(name, row) of the bars in the lanes."""
    return {
        (trace["name"], trace["y"][0])
        for trace in figure["data"]
        if trace["yaxis"] == "y" and "name" in trace
    }


def test_hit_missed_and_false_are_drawn_in_their_lanes():
    figure = case_figure(panel([(10, 20), (50, 60)], [("a", 15, 30), ("b", 90, 95)]), 400)
    assert bars(figure) == {("hit", 0), ("missed", 0), ("hit", 1), ("false", 1)}


def test_health_incidents_are_drawn_in_their_lane_and_make_no_band():
    figure = case_figure(with_health(panel([(50, 60)], [("a", 15, 30)])), 400)
    assert bars(figure) == {("missed", 0), ("health", 1)}
    assert [band["x0"] / 1000 for band in figure["layout"]["shapes"]] == [50]


def test_every_outcome_has_a_sign_and_a_colour_of_its_own():
    spans = [("h", 100, 105), ("a", 15, 30), ("b", 90, 95)]
    figure = case_figure(with_health(panel([(10, 20), (50, 60)], spans)), 400)
    signs = [t["marker"] for t in figure["data"] if t["mode"] == "markers" and t["yaxis"] == "y"]
    assert {sign["symbol"] for sign in signs} == {symbol for _, symbol in SIGNS.values()}
    assert {sign["color"] for sign in signs} == set(COLOURS.values())
    assert len(set(COLOURS.values())) == len({letter for letter, _ in SIGNS.values()}) == 4


def test_labels_and_false_incidents_are_bands_over_the_curves():
    figure = case_figure(panel([(10, 20), (50, 60)], [("a", 15, 30), ("b", 90, 95)]), 400)
    bands = {(band["x0"] / 1000, band["fillcolor"]) for band in figure["layout"]["shapes"]}
    assert bands == {(10, COLOURS["hit"]), (50, COLOURS["missed"]), (90, COLOURS["false"])}


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_odd_panels_can_be_drawn(rows):
    odd = panel([(0, 0)], [("a", 0, None)], rows)
    odd.values[:] = np.inf
    odd.score[::2] = np.nan
    odd.tail[::2] = 0.0
    odd = replace(odd, channels=(), values=np.empty((rows, 0)))
    drawn = [np.asarray(trace["y"], dtype=float) for trace in case_figure(odd, 400)["data"]]
    assert not any(np.isinf(values).any() for values in drawn)
