from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tocsin.evaluation.palette import GREEN, LEVEL_COLOURS, SIGNALS
from tocsin.evaluation.panel import Expected, Interval, Panel
from tocsin.evaluation.picture import WARMING, draw
from tocsin.pipeline.errors import SinkError
from tocsin.pipeline.incidents import Incident, Level

START = 1_760_000_000_000_000_000
SECOND = 1_000_000_000


def panel(series="pump", rows=500, channels=("speed",)):
    noise = np.random.default_rng(5).random(rows)
    return Panel(
        series=series,
        channels=channels,
        time=START + SECOND * np.arange(rows),
        values=np.zeros((rows, len(channels))),
        score=noise,
        tail=1 - 0.9 * noise,
        alpha=np.full(rows, 1e-3),
        alarm=np.zeros(rows, dtype=bool),
        incidents=(),
    )


def incident(level: Level = "critical", first=100, last: int | None = 200):
    ended = None if last is None else START + last * SECOND
    return Incident(
        id=f"{level}{first}",
        revision=1,
        state="open" if last is None else "resolved",
        kind="anomaly",
        series="pump",
        started_at=START + first * SECOND,
        opened_at=START + first * SECOND,
        ended_at=ended,
        peak_at=START + first * SECOND,
        score=9.0,
        tail=1e-6,
        alpha=1e-3,
        severity=6.0,
        level=level,
        rows=10,
        channels=(("speed", 1.0),),
        reason="speed is unusual",
    )


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))  # (H, W, 3)


def coloured(image, colour):
    """Rows and columns of the pixels of exactly this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.nonzero((image == wanted).all(axis=2))


def test_a_picture_is_1400_pixels_wide(tmp_path):
    draw([panel()], tmp_path / "a.png", "One")
    assert pixels(tmp_path / "a.png").shape[1] == 1400


def test_the_same_panels_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw([replace(panel(), incidents=(incident(),))], tmp_path / name, "One")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_one_row_of_two_hundred_thousand_is_still_seen(tmp_path):
    quiet = panel(rows=200_000)
    draw([quiet], tmp_path / "quiet.png", "Quiet")
    quiet.values[77_777] = 1.0
    draw([quiet], tmp_path / "spike.png", "Spike")
    changed = pixels(tmp_path / "spike.png") != pixels(tmp_path / "quiet.png")
    columns = changed[:320, 95:1225].any(axis=2)  # the signals, without what stands beside them
    tallest = columns.sum(axis=0).argmax()
    assert columns[:, tallest].sum() > 80
    assert tallest / 1130 == pytest.approx(77_777 / 200_000, abs=0.01)


@pytest.mark.parametrize("level", ["info", "warning", "error", "critical"])
def test_an_incident_is_drawn_in_the_colour_of_its_level(tmp_path, level):
    draw([panel()], tmp_path / "without.png", "Without")
    draw([replace(panel(), incidents=(incident(level),))], tmp_path / "with.png", "With")
    colour = LEVEL_COLOURS[level]
    assert coloured(pixels(tmp_path / "without.png"), colour)[0].size == 0
    assert coloured(pixels(tmp_path / "with.png"), colour)[0].size > 500


def test_an_open_incident_reaches_the_end(tmp_path):
    draw([replace(panel(), incidents=(incident(last=None),))], tmp_path / "a.png", "Open")
    assert coloured(pixels(tmp_path / "a.png"), LEVEL_COLOURS["critical"])[1].max() > 1200


def test_only_the_most_interesting_series_are_drawn(tmp_path):
    panels = [panel(f"s{n}") for n in range(5)]
    panels[3] = replace(panels[3], incidents=(incident(),))
    draw(panels, tmp_path / "two.png", "Two", most=2)
    draw(panels[:2], tmp_path / "same.png", "Two")
    two = pixels(tmp_path / "two.png")
    assert two.shape == pixels(tmp_path / "same.png").shape
    assert coloured(two, LEVEL_COLOURS["critical"])[0].size > 500


def test_a_known_fault_is_marked(tmp_path):
    fault = Interval(START + 50 * SECOND, START + 90 * SECOND, "drift")
    draw([panel()], tmp_path / "without.png", "A")
    draw([replace(panel(), truth=(fault,))], tmp_path / "with.png", "A")
    assert pixels(tmp_path / "with.png").shape[0] > pixels(tmp_path / "without.png").shape[0]


def test_the_most_blamed_channel_is_drawn_over_the_others(tmp_path):
    quiet = panel(channels=("a", "b", "c", "d", "speed"))
    draw([replace(quiet, incidents=(incident(),))], tmp_path / "a.png", "A")
    image = pixels(tmp_path / "a.png")[:, :1225]
    assert coloured(image, SIGNALS[4])[0].size > 500
    assert coloured(image, SIGNALS[0])[0].size < 50


def test_a_channel_has_one_colour_whatever_is_blamed(tmp_path):
    sloping = panel(channels=("a", "speed"))
    sloping.values[:, 1] = np.linspace(-1, 1, 500)
    blamed = replace(sloping, incidents=(incident(),))
    found = []
    for told in (sloping, blamed):
        draw([told], tmp_path / "a.png", "A")
        rows, columns = coloured(pixels(tmp_path / "a.png"), GREEN)
        found.append(np.ptp(rows[columns < 1225]))
    assert min(found) > 80


def test_a_time_without_rows_is_left_white(tmp_path):
    late = panel()
    late.time[250:] += 500 * SECOND
    late.values[250:] = 1.0
    known = replace(late, expected=Expected(late.values, np.ones((500, 1))))
    draw([known], tmp_path / "a.png", "A")
    image = np.delete(pixels(tmp_path / "a.png")[184:428], slice(150, 156), axis=0)  # no frames
    gap = slice(95 + int(1130 * 0.27), 95 + int(1130 * 0.73))
    dark = (image[:, gap] < 200).any(axis=2)
    assert not dark.any()
    assert (image[:, 95:300] < 200).any()


def test_what_was_trained_on_is_no_warm_up(tmp_path):
    cold = panel()
    cold.alpha[:200] = np.nan
    draw([cold], tmp_path / "cold.png", "A")
    draw([replace(cold, trained=200)], tmp_path / "trained.png", "A")
    draw([replace(cold, trained=100)], tmp_path / "both.png", "A")
    grey = [
        coloured(pixels(tmp_path / name), str(WARMING["facecolor"]))[0].size
        for name in ("cold.png", "both.png", "trained.png")
    ]
    assert grey[0] > 1.5 * grey[1] > 15 * grey[2]


def test_nothing_stands_over_the_last_date(tmp_path):
    """The dates keep their distance from the word for the time zone, beside the plot."""
    whole = panel(rows=601)
    draw([replace(whole, time=whole.time + 100 * SECOND)], tmp_path / "a.png", "A")  # to 09:05
    corner = (pixels(tmp_path / "a.png")[-45:, 1180:] < 128).any(axis=(0, 2))
    gaps = np.diff(np.flatnonzero(corner))
    assert gaps.max() > 15


def test_a_health_incident_names_its_channel(tmp_path):
    two = panel(channels=("speed", "load"))
    bars = [replace(incident(), kind="stuck", channels=told) for told in ((), (("load", 1.0),))]
    for name, bar in zip(("bare.png", "named.png"), bars, strict=True):
        draw([replace(two, incidents=(bar,))], tmp_path / name, "A")
    lane = slice(155, 182), slice(95, 1225)
    changed = pixels(tmp_path / "named.png")[lane] != pixels(tmp_path / "bare.png")[lane]
    assert changed.any()


def test_a_long_legend_stays_within_the_picture(tmp_path):
    levels: tuple[Level, ...] = ("info", "warning", "error", "critical")
    told = panel()
    told.alpha[:200] = np.nan
    told.alarm[300] = True
    told = replace(
        told,
        incidents=tuple(incident(level) for level in levels),
        truth=(Interval(START, START + SECOND, "drift"),),
        expected=Expected(told.values, np.ones((500, 1))),
        trained=100,
    )
    draw([told], tmp_path / "a.png", "A")
    image = pixels(tmp_path / "a.png")
    assert (image[:, -10:] == 255).all()
    swatches = coloured(image[:130], str(WARMING["facecolor"]))[0]
    assert swatches.size > 100


@pytest.mark.parametrize(
    "name",
    ["$\\frac{", "温度", "a\nb\x1b[2J", "_hidden", "\ud800", "x" * 1000, "", "%s {0}"],
)
def test_names_from_outside_cannot_spoil_a_picture(tmp_path, name):
    named = incident()
    named = replace(named, series=name, channels=((name, 1.0),))
    truth = (Interval(START, START, name),)
    odd = replace(panel(name, channels=(name, "b")), incidents=(named,), truth=truth)
    draw([odd], tmp_path / "a.png", name)
    assert pixels(tmp_path / "a.png").shape[1] == 1400


def test_infinities_huge_numbers_and_gaps_can_be_drawn(tmp_path):
    odd = panel(rows=40, channels=("speed", "load"))
    odd.values[:, 0] = 1.7e308 * np.linspace(-1, 1, 40)
    odd.values[5] = np.inf, np.nan
    odd.score[7] = np.inf
    odd.tail[7] = 0.0
    odd.tail[::2] = np.nan
    odd.alpha[:10] = np.nan
    draw([odd, replace(odd, channels=("a",), values=odd.values[:, :1])], tmp_path / "a.png", "Odd")
    assert (tmp_path / "a.png").stat().st_size > 0


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows_or_none_can_be_drawn(tmp_path, rows):
    draw([panel(rows=rows)], tmp_path / "a.png", "Few")
    draw([replace(panel(rows=rows), score=np.full(rows, np.nan))], tmp_path / "a.png", "Few")
    assert pixels(tmp_path / "a.png").shape[1] == 1400


def test_no_series_at_all_gives_a_picture_that_says_so(tmp_path):
    draw([], tmp_path / "a.png", "None")
    assert (pixels(tmp_path / "a.png") < 128).any()


def test_a_folder_in_the_way_is_named(tmp_path):
    with pytest.raises(SinkError, match=str(tmp_path)):
        draw([], tmp_path, "None")


def test_what_was_expected_is_shaded_behind_the_signal_where_it_is_known(tmp_path):
    quiet = panel()
    quiet.values[[0, -1], 0] = 5.0, -5.0  # so that the band does not widen the axis
    draw([quiet], tmp_path / "without.png", "Band")
    middle = np.full((500, 1), np.nan)
    middle[200:300] = 0.0
    told = replace(quiet, expected=Expected(middle, np.ones((500, 1))))
    draw([told], tmp_path / "with.png", "Band")
    changed = pixels(tmp_path / "with.png") != pixels(tmp_path / "without.png")
    area = changed[200:300, 95:1225].any(axis=2)  # within the signals
    columns = np.flatnonzero(area.any(axis=0))
    assert area[:, columns].sum() > 2000
    assert columns.min() / 1130 == pytest.approx(0.4, abs=0.02)
    assert columns.max() / 1130 == pytest.approx(0.6, abs=0.02)
