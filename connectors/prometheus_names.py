"""The metrics that a run exports: their names, types, labels and what each says."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is exported; `name` is that of its samples. No label names a series."""

    name: str
    type: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    help: str


_BUILD = (Metric("tocsin_build_info", "gauge", ("version",), "1; the label is Tocsin's version."),)
_ROWS = (
    Metric("tocsin_rows_received_total", "counter", ("part",), "Rows that the source gave."),
    Metric(
        "tocsin_records_rejected_total",
        "counter",
        ("part",),
        "Records that could not be turned into rows.",
    ),
    Metric(
        "tocsin_rows_refused_total",
        "counter",
        ("part", "reason"),
        "Rows that took no part: late, duplicate, ahead, or of too_many_series.",
    ),
    Metric(
        "tocsin_rows_judged_total",
        "counter",
        ("part", "verdict"),
        "Rows by what was said of them; with a grid, its steps.",
    ),
    Metric(
        "tocsin_alarms_expected_total",
        "counter",
        ("part",),
        "Sum of the alarm levels of rows with a tail: tails under the level to expect by chance.",
    ),
    Metric(
        "tocsin_alarms_seen_total",
        "counter",
        ("part",),
        "Rows whose tail was under their alarm level, whatever rules and doubts made of it.",
    ),
)
_INCIDENTS = (
    Metric(
        "tocsin_incidents_opened_total",
        "counter",
        ("part", "kind"),
        "Incidents that opened, or opened again.",
    ),
    Metric("tocsin_incidents_resolved_total", "counter", ("part", "kind"), "Incidents that ended."),
    Metric("tocsin_incidents_open", "gauge", ("part", "kind"), "Incidents that are open now."),
)
_SERIES = (
    Metric("tocsin_series", "gauge", ("part",), "Series of the partition."),
    Metric(
        "tocsin_series_forgotten_total",
        "counter",
        ("part",),
        "Series that were forgotten, as nothing had come of them for longer than `retention`.",
    ),
    Metric(
        "tocsin_series_blind",
        "gauge",
        ("part",),
        "Series whose planted faults the detector did not see when it was last tested on them.",
    ),
    Metric(
        "tocsin_drift_evidence",
        "gauge",
        ("part",),
        "Most evidence of any series that its tails are not even, as a power of ten.",
    ),
    Metric(
        "tocsin_watermark_timestamp_seconds",
        "gauge",
        ("part",),
        "Newest event time that was judged, in seconds since 1970.",
    ),
    Metric(
        "tocsin_event_time_lag_seconds",
        "gauge",
        ("part",),
        "The wall clock less the newest event time that came.",
    ),
)
_SELFTEST = (
    Metric("tocsin_selftest_rounds_total", "counter", ("part",), "Rounds of self-tests begun."),
    Metric(
        "tocsin_selftest_examinations_total",
        "counter",
        ("part",),
        "Tests of a series that told whether the detector is blind to it.",
    ),
    Metric(
        "tocsin_selftest_faults_planted_total",
        "counter",
        ("part", "fault"),
        "Known faults planted on which the detector had an opinion.",
    ),
    Metric(
        "tocsin_selftest_faults_seen_total",
        "counter",
        ("part", "fault"),
        "Planted faults whose scores stood out.",
    ),
    Metric(
        "tocsin_selftest_faults_alarmed_total",
        "counter",
        ("part", "fault"),
        "Planted faults that would have raised an alarm.",
    ),
    Metric(
        "tocsin_selftest_detection_ratio",
        "gauge",
        ("part", "fault"),
        "Share of a fault that stood out when it was last planted; after a restart, of all so far.",
    ),
    Metric(
        "tocsin_selftest_score_spread",
        "gauge",
        ("part",),
        "Distance of the 10th and 90th percentile of a series' scores, in medians.",
    ),
    Metric(
        "tocsin_selftest_score_tie_ratio",
        "gauge",
        ("part",),
        "Share of a series' scores that another one equals.",
    ),
    Metric(
        "tocsin_selftest_rank_stability",
        "gauge",
        ("part",),
        "Rank correlation of a series' scores before and after its rows are a little shaken.",
    ),
    Metric(
        "tocsin_selftest_alarms_expected_total",
        "counter",
        ("part",),
        "Sum of the alarm levels of the tested rows before any fault was planted.",
    ),
    Metric(
        "tocsin_selftest_alarms_seen_total",
        "counter",
        ("part",),
        "Tested rows whose tail was under the level before any fault was planted.",
    ),
)
_DELIVERY = (
    Metric(
        "tocsin_notifications_total",
        "counter",
        ("sink", "result"),
        "Revisions of incidents delivered, and attempts that failed.",
    ),
    Metric("tocsin_checkpoints_total", "counter", (), "Partitions written to the store."),
    Metric(
        "tocsin_checkpoint_duration_seconds",
        "gauge",
        (),
        "How long the last checkpoint took.",
    ),
    Metric(
        "tocsin_checkpoint_timestamp_seconds",
        "gauge",
        (),
        "When the last checkpoint was noticed, in seconds since 1970.",
    ),
)

METRICS = (*_BUILD, *_ROWS, *_INCIDENTS, *_SERIES, *_SELFTEST, *_DELIVERY)
