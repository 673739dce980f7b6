"""An incident goes out as plain JSON values under an id that depends on nothing but its cause."""

import json
import math
from dataclasses import replace

import pytest

from tocsin.pipeline.incidents import Incident, incident_id, iso

START = 1_700_000_000_000_000_000

INCIDENT = Incident(
    id="ab",
    revision=2,
    state="resolved",
    kind="anomaly",
    series="pump-1",
    started_at=START,
    opened_at=START + 1_000_000_000,
    ended_at=START + 2_000_000_000,
    peak_at=START,
    score=8.5,
    tail=1e-4,
    alpha=1e-3,
    severity=4.0,
    level="error",
    rows=3,
    channels=(("flow", 0.75), ("heat", 0.25)),
    reason="tail 0.0001 under 0.001",
    rule="r1",
    readings=((7.5, 2.0, 0.5), (61.0, None, None)),
    covariates=(("sun", 0.6), ("wind", 0.4)),
)


def test_json_has_iso_times_and_named_shares() -> None:
    plain = INCIDENT.to_json()
    assert plain["started_at"] == "2023-11-14T22:13:20Z"
    assert plain["ended_at"] == "2023-11-14T22:13:22Z"
    assert plain["channels"] == [
        {"name": "flow", "share": 0.75, "value": 7.5, "expected": 2.0, "usual_miss": 0.5},
        {"name": "heat", "share": 0.25, "value": 61.0, "expected": None, "usual_miss": None},
    ]
    assert plain["covariates"] == [{"name": "sun", "share": 0.6}, {"name": "wind", "share": 0.4}]
    bare = replace(INCIDENT, readings=()).to_json()
    assert [channel["value"] for channel in bare["channels"]] == [None, None]


def test_json_has_every_field() -> None:
    assert INCIDENT.to_json().keys() == set(Incident.__dataclass_fields__) - {"readings"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_null(value: float) -> None:
    plain = replace(INCIDENT, score=value, tail=value, alpha=value, severity=value).to_json()
    assert [plain[name] for name in ("score", "tail", "alpha", "severity")] == [None] * 4
    json.dumps(plain, allow_nan=False)


def test_health_has_no_peak() -> None:
    plain = replace(INCIDENT, kind="stale", peak_at=0).to_json()
    assert (plain["peak_at"], INCIDENT.to_json()["peak_at"]) == (None, "2023-11-14T22:13:20Z")


def test_an_open_incident_has_no_end() -> None:
    assert replace(INCIDENT, state="open", ended_at=None).to_json()["ended_at"] is None


def test_the_id_depends_on_series_kind_start_and_rule() -> None:
    changed = {
        incident_id("a", "anomaly", START, "r"),
        incident_id("b", "anomaly", START, "r"),
        incident_id("a", "stale", START, "r"),
        incident_id("a", "anomaly", START + 1, "r"),
        incident_id("a", "anomaly", START, "s"),
    }
    assert len(changed) == 5


def test_the_parts_of_an_id_do_not_run_together() -> None:
    assert incident_id("a1", "x", 2, "r") != incident_id("a", "1x", 2, "r")


@pytest.mark.parametrize(
    ("nanoseconds", "wanted"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.500000Z"),
        (999, "1970-01-01T00:00:00Z"),
        (-1_000_000_000, "1969-12-31T23:59:59Z"),
    ],
)
def test_times_are_told_in_utc_to_the_microsecond(nanoseconds: int, wanted: str) -> None:
    assert iso(nanoseconds) == wanted
