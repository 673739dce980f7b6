from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tocsin.evaluation.palette import BLUE, LEVEL_COLOURS
from tocsin.evaluation.panel import Expected, Interval, Panel
from tocsin.evaluation.picture import draw
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


def test_the_most_blamed_channel_comes_first(tmp_path):
    quiet = panel(channels=("a", "b", "c", "d", "speed"))
    quiet.values[:, :4] = 1.0
    quiet.values[:, 4] = np.linspace(-1, 1, 500)
    draw([replace(quiet, incidents=(incident(),))], tmp_path / "a.png", "A")
    rows, columns = coloured(pixels(tmp_path / "a.png"), BLUE)
    rows = rows[columns < 1225]
    assert rows.max() - rows.min() > 80  # the sloping channel has the first colour


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
