"""One small folder of each published format, with the same rows in all of them.

Forty rows, a minute apart; the rows 20 to 24 are labelled. Where a format has a training part of
its own it is the first ten rows.
"""

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

ROWS, FIRST, LAST, TRAIN = 40, 20, 24, 10
START = np.datetime64("2024-01-01T00:00:00")
SECONDS = 1_704_067_200  # the same, since 1970


def when(row: int) -> str:
    return str(START + np.timedelta64(row, "m")).replace("T", " ")


def value(row: int) -> float:
    return row % 7 + 0.5


def flag(row: int) -> int:
    return int(FIRST <= row <= LAST)


def text(head: str, row: Callable[[int], str], rows: Iterable[int] = range(ROWS)) -> str:
    return "\n".join([*([head] if head else []), *map(row, rows)]) + "\n"


def packed() -> bytes:
    file = io.BytesIO()
    np.savez(file, train=VALUES[:TRAIN], test=VALUES[TRAIN:], label=LABELS[TRAIN:])
    return file.getvalue()


def array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


VALUES = np.array([[value(row), value(row + 3)] for row in range(ROWS)])
LABELS = np.array([flag(row) for row in range(ROWS)])


def pair(row: int) -> str:
    return f"{value(row)},{value(row + 3)}"


def care() -> dict[str, str | bytes]:
    events = (
        "asset_id;event_id;event_label;event_start_id;event_end_id;event_description\n"
        f"0;7;anomaly;{FIRST};{LAST};gearbox\n0;8;normal;{FIRST};{LAST};\n"
    )
    features = (
        "sensor_name;statistics_type;is_angle;is_counter\nwind;average;False;False\n"
        "nacelle;average;True;False\n"
    )
    head = "time_stamp;asset_id;id;train_test;status_type_id;wind_avg;nacelle_avg"

    def row(i: int) -> str:
        part = "train" if i < TRAIN else "prediction"
        return f"{when(i)};0;{i};{part};{4 if i == 30 else 0};{value(i)};{value(i + 3)}"

    return {
        "Farm A/event_info.csv": events,
        "Farm A/feature_description.csv": features,
        "Farm A/datasets/7.csv": text(head, row),
        "Farm A/datasets/8.csv": text(head, row),
    }


def exathlon() -> dict[str, str | bytes]:
    truth = (
        "app_id,trace_name,anomaly_type,root_cause_start,root_cause_end,extended_effect_start,"
        f"extended_effect_end\n1,1_2_10_68,bursty_input,{SECONDS + FIRST},{SECONDS + 22},"
        f"{SECONDS + 23},{SECONDS + LAST}\n"
    )
    trace = text("t,driver,executor", lambda i: f"{SECONDS + i},{pair(i)}")
    return {"ground_truth.csv": truth, "app1/1_2_10_68.csv": trace, "app1/1_0_10_2.csv": trace}


def opensearch() -> dict[str, str | bytes]:
    records = [
        {"timestamp": (SECONDS + 60 * i) * 1000, "visits": value(i), "city": city}
        for i in range(ROWS)
        for city in ("Oslo", "Bergen")
    ]
    span = [when(FIRST).replace(" ", "T") + "Z", when(LAST).replace(" ", "T") + "Z"]
    labels = {"Oslo": [span], "Bergen": []}
    return {
        "rule.data": json.dumps(records, indent=1),
        "rule.label": json.dumps(labels, indent=1),
    }


SAMPLES: dict[str, dict[str, str | bytes]] = {
    "nab": {
        "data/real/a.csv": text("timestamp,value", lambda i: f"{when(i)},{value(i)}"),
        "labels/combined_windows.json": json.dumps({"real/a.csv": [[when(FIRST), when(LAST)]]}),
    },
    "skab": {
        "data/valve1/0.csv": text(
            "datetime;Current;Pressure;anomaly;changepoint",
            lambda i: f"{when(i)};{value(i)};{value(i + 3)};{flag(i)}.0;0.0",
        ),
        "data/anomaly-free/anomaly-free.csv": text(
            "datetime;Current;Pressure", lambda i: f"{when(i)};{value(i)};{value(i + 3)}"
        ),
    },
    "smd": {
        "train/machine-1-1.txt": text("", pair, range(TRAIN)),
        "test/machine-1-1.txt": text("", pair, range(TRAIN, ROWS)),
        "test_label/machine-1-1.txt": text("", lambda i: str(flag(i)), range(TRAIN, ROWS)),
        "interpretation_label/machine-1-1.txt": f"{FIRST - TRAIN}-{LAST - TRAIN + 1}:2\n",
    },
    "smd_npz": {
        "machine-1-1.npz": packed(),
        "machine-1-1.interpretation.txt": f"{FIRST - TRAIN}-{LAST - TRAIN + 1}:2\n",
    },
    "smap_msl": {
        "labeled_anomalies.csv": "chan_id,spacecraft,anomaly_sequences,class,num_values\n"
        f'P-1,SMAP,"[[{FIRST - TRAIN}, {LAST - TRAIN}]]",[contextual],{ROWS - TRAIN}\n',
        "train/P-1.npy": array(VALUES[:TRAIN]),
        "test/P-1.npy": array(VALUES[TRAIN:]),
    },
    "msl_npz": {"C-1.npz": packed()},
    "gecco": {
        "water.csv": text(
            '"",Time,pH,Redox,EVENT',
            lambda i: (
                f"{i},{when(i)},{value(i)},{'NA' if i == 3 else value(i + 3)},"
                f"{'TRUE' if flag(i) else 'FALSE'}"
            ),
        )
    },
    "kpi": {
        "cpu.csv": text(
            "timestamp,value,label", lambda i: f"{SECONDS + 60 * i},{value(i)},{flag(i)}"
        )
    },
    "kpi_keyed": {
        "all.csv": text(
            "timestamp,value,label,KPI ID",
            lambda i: f"{SECONDS + 60 * (i % ROWS)},{value(i)},{flag(i % ROWS)},{'ab'[i // ROWS]}1",
            range(2 * ROWS),
        )
    },
    "ucr": {
        f"001_UCR_Anomaly_heart_{TRAIN}_{FIRST + 1}_{LAST + 1}.txt": text(
            "", lambda i: f"  {value(i):e}"
        )
    },
    "tsb_uad": {"beats.out": text("", lambda i: f"{value(i)},{flag(i)}")},
    "tsb_ad": {
        f"001_NAB_id_1_Facility_tr_{TRAIN}_1st_{FIRST}.csv": text(
            "left,right,Label", lambda i: f"{pair(i)},{flag(i)}"
        )
    },
    "care": care(),
    "exathlon": exathlon(),
    "merlion": {
        "flat_spike_anomaly.csv": text(
            "timestamp,flat,anomaly", lambda i: f"{300 * i},{value(i)},{flag(i)}.0"
        )
    },
    "opensearch": opensearch(),
    "csv": {
        "pump.csv": text("time,flow,heat,label", lambda i: f"{when(i)},{pair(i)},{flag(i)}"),
    },
    "csv_intervals": {
        "pump.csv": text("time,flow,heat", lambda i: f"{when(i)},{pair(i)}"),
        "intervals.csv": f"series,start,end,kind,channels\npump,{when(FIRST)},{when(LAST)},leak,"
        "flow heat\n",
    },
}


@pytest.fixture
def lay() -> Callable[[str, Path], Path]:
    """Writes the sample of a format into a folder of its own, and gives that folder."""

    def write(name: str, folder: Path) -> Path:
        place = folder / name
        for relative, held in SAMPLES[name].items():
            path = place / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held if isinstance(held, bytes) else held.encode())
        return place

    return write
