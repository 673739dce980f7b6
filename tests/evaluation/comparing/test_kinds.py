from itertools import product

import pandas as pd
import pytest

from tocsin.evaluation.comparing.comparison import CONTROLS
from tocsin.evaluation.comparing.kinds import by_kind
from tocsin.pipeline.errors import TocsinError

NAMES = (*CONTROLS, "forest")
# The labelled events: three spikes and a drift on two series.
EVENTS = (("a", "spike"), ("a", "spike"), ("a", "drift"), ("b", "spike"))


def judged(names=NAMES, mode="causal"):
    """Every event missed by every detector."""
    rows = [
        {"dataset": "A", "series": series, "detector": name, "mode": mode, "kind": kind}
        for name, (series, kind) in product(names, EVENTS)
    ]
    return pd.DataFrame(rows).assign(caught=False, delay_rows=float("nan"))


def catch(events, detector, places, delays):
    """The same with some events of one detector caught."""
    rows = events.index[events["detector"] == detector][list(places)]
    events.loc[rows, "caught"] = True
    events.loc[rows, "delay_rows"] = delays
    return events


def rows_of(table):
    return {row[0]: row[1:] for row in table.rows}


def test_shares_and_median_delays_by_kind():
    events = catch(judged(), "forest", [0, 2, 3], [4.0, 7.0, 5.0])
    table = by_kind(events, "causal")
    assert table.head == ("detector", "drift (1)", "spike (3)", "all (4)")
    assert rows_of(table)["forest"] == ("1.00 (7)", "0.67 (4.5)", "0.75 (5)")
    assert rows_of(table)["random"] == ("0.00", "0.00", "0.00")


def test_the_best_of_all_events_stands_first_and_equals_by_name():
    events = catch(judged(), "forest", [0], [1.0])
    assert [row[0] for row in by_kind(events, "causal").rows] == ["forest", *sorted(CONTROLS)]


def test_a_catch_without_a_delay_counts_as_caught():
    events = catch(judged(), "forest", [2], [float("nan")])
    assert rows_of(by_kind(events, "causal"))["forest"][0] == "1.00"


def test_seeds_repeat_events_but_do_not_add_any():
    first = catch(judged(), "forest", [0], [2.0])
    again = judged(names=["forest"])
    table = by_kind(pd.concat([first, again], ignore_index=True), "causal")
    assert table.head[-1] == "all (4)"
    assert rows_of(table)["forest"][-1] == "0.12 (2)"


def test_series_that_a_detector_lacks_are_left_out_and_counted():
    events = judged()
    lacks = (events["detector"] == "forest") & (events["series"] == "b")
    table = by_kind(events[~lacks], "causal")
    assert table.head[-1] == "all (3)"
    assert "1 series left out" in table.note
    assert "left out" not in by_kind(events, "causal").note


def test_the_other_mode_does_not_count():
    offline = catch(judged(mode="offline"), "forest", [0], [1.0])
    both = pd.concat([judged(), offline], ignore_index=True)
    assert by_kind(both, "causal") == by_kind(judged(), "causal")
    assert "offline" in by_kind(both, "offline").title


def test_the_controls_must_be_there():
    with pytest.raises(TocsinError, match="no causal results of random:"):
        by_kind(judged(names=[name for name in NAMES if name != "random"]), "causal")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda e: e.drop(columns="kind"), "lacks kind"),
        (lambda e: e.assign(mode="live"), "causal or offline; found 'live'"),
        (lambda e: e.assign(caught=None), "answer to `caught`"),
        (lambda e: e.drop(index=e.index[-2]), "do not have the same 'drift' events of A, a"),
        (lambda e: e.drop(index=e.index[-3]), "does not have the same events of A, a as others"),
        (
            lambda e: e[(e["detector"] != "forest") | (e["series"] != "a")].drop(
                index=e.index[(e["detector"] == "random") & (e["series"] == "b")]
            ),
            "no series has events judged for all",
        ),
    ],
)
def test_events_that_do_not_match_are_refused(change, told):
    events = judged()
    with pytest.raises(TocsinError, match=told):
        by_kind(change(events), "causal")
