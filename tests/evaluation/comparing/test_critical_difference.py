import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from oracles.comparison import AUC, TREES, side_by_side
from PIL import Image

from tocsin.evaluation.comparing.critical_difference import LEFT, RIGHT, WIDTH, drawing, svg
from tocsin.evaluation.comparing.critical_difference_png import draw
from tocsin.evaluation.comparing.ranks import rank
from tocsin.pipeline.errors import SinkError

SPACE = "{http://www.w3.org/2000/svg}"
BLUE = (0x00, 0x72, 0xB2)


def trees():
    return rank(side_by_side(AUC, TREES), alpha=0.10)


def many(detectors=25, series=60):
    level = np.linspace(0, 1, detectors)
    noise = np.random.default_rng(0).normal(0, 0.15, (series, detectors))
    return rank(side_by_side(level + noise))


def words(text):
    return [str(element.text) for element in ET.fromstring(text).iter(f"{SPACE}text")]


def crossings(strokes):
    """Pairs of a horizontal and a vertical line that cross inside both."""
    level = [s for s in strokes if s.y1 == s.y2]
    upright = [s for s in strokes if s.x1 == s.x2]
    return [
        (a, b)
        for a in level
        for b in upright
        if min(a.x1, a.x2) + 1e-6 < b.x1 < max(a.x1, a.x2) - 1e-6
        and min(b.y1, b.y2) + 1e-6 < a.y1 < max(b.y1, b.y2) - 1e-6
    ]


def test_every_detector_is_named_with_its_rank():
    found = words(svg(trees()))
    for name, mean in zip(trees().detectors, trees().ranks, strict=True):
        assert any(set(text.split()) == {name, f"{mean:.2f}"} for text in found)


def test_what_it_shows_is_told_in_words():
    told = words(svg(trees()))[-1]
    assert told.startswith("vus_pr, causal, average rank over 14 series; Friedman test p = 0.0")
    assert "critical difference 1.12" in words(svg(trees()))


def test_places_on_the_axis_are_ranks():
    unit = (RIGHT - LEFT) / 3
    leaders = {round(s.x1, 6) for s in drawing(trees()).strokes if s.x1 == s.x2 and s.y2 > 80}
    assert leaders == {round(LEFT + unit * (mean - 1), 6) for mean in trees().ranks}


def test_each_group_has_a_bar_from_its_first_to_its_last():
    ranking = trees()
    where = dict(zip(ranking.detectors, ranking.ranks, strict=True))
    bars = [stroke for stroke in drawing(ranking).strokes if stroke.is_bar]
    unit = (RIGHT - LEFT) / 3
    for bar, group in zip(bars, ranking.groups, strict=True):
        assert bar.x1 < LEFT + unit * (where[group[0]] - 1) < bar.x1 + 4
        assert bar.x2 - 4 < LEFT + unit * (where[group[-1]] - 1) < bar.x2


def test_bars_do_not_touch_each_other():
    bars = [stroke for stroke in drawing(many()).strokes if stroke.is_bar]
    assert len(bars) > 5
    for i, one in enumerate(bars):
        for other in bars[i + 1 :]:
            assert one.y1 != other.y1 or one.x2 < other.x1 or other.x2 < one.x1


def test_lines_to_names_do_not_cross_each_other():
    drawn = drawing(many())
    leaders = [s for s in drawn.strokes if not s.is_bar and max(s.y1, s.y2) > 80]
    assert len(leaders) == 50
    assert crossings(leaders) == []


@pytest.mark.parametrize("detectors", [2, 3, 12, 13, 40])
def test_nothing_leaves_the_picture(detectors):
    drawn = drawing(many(detectors, series=9))
    xs = [x for stroke in drawn.strokes for x in (stroke.x1, stroke.x2)]
    ys = [y for stroke in drawn.strokes for y in (stroke.y1, stroke.y2)]
    ys += [each.y for each in drawn.words]
    assert min(xs) >= 0
    assert max(xs) <= WIDTH
    assert min(ys) > 6
    assert max(ys) < drawn.height - 6


def test_a_difference_wider_than_the_axis_is_said_to_be():
    few = rank(side_by_side([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    assert any("more than the axis" in text for text in words(svg(few)))
    assert max(s.x2 for s in drawing(few).strokes if s.y1 == s.y2 < 50) == RIGHT


def test_it_needs_nothing_else_and_brings_no_colour_but_its_own():
    text = svg(trees())
    assert re.findall(r"href|<script|url\(|<image|<style", text) == []
    for element in ET.fromstring(text).iter():
        assert element.get("fill", "currentColor") == "currentColor"
        assert element.get("stroke", "currentColor") == "currentColor"
    assert set(re.findall(r"#[0-9a-fA-F]{3,}", text)) == {"#0072B2"}
    assert set(re.findall(r"var\((--\w+)", text)) == {"--ink", "--c0"}


def test_names_cannot_break_out_of_the_picture():
    names = ('<script>alert("x")</script>', "a & b\n", "C4.5+cf", "温度" * 40)
    text = svg(rank(side_by_side(AUC, names)))
    assert "<script" not in text
    assert any("a & b\\n" in found for found in words(text))
    assert all(len(found) < 100 for found in words(text))


def test_the_same_ranking_gives_the_same_bytes(tmp_path):
    for name in ("one.png", "two.png"):
        draw(trees(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert svg(trees()) == svg(trees())


def test_the_png_has_a_bar_for_each_group(tmp_path):
    draw(trees(), tmp_path / "cd.png")
    image = np.asarray(Image.open(tmp_path / "cd.png").convert("RGB"))
    assert image.shape[1] == 2 * WIDTH
    blue = (image == BLUE).all(axis=2).any(axis=1).astype(int)
    assert (np.diff(blue, prepend=0) == 1).sum() == len(trees().groups) == 2


def test_the_png_draws_any_name(tmp_path):
    odd = replace(trees(), metric="$x_1$", detectors=("温度", "a…b", "$\\alpha", "d\x00"))
    draw(replace(odd, groups=()), tmp_path / "cd.png")
    assert (np.asarray(Image.open(tmp_path / "cd.png").convert("L")) < 60).any()


def test_a_png_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        draw(trees(), tmp_path / "file" / "cd.png")
