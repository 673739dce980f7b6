import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from tocsin.evaluation.pages.history import MOST_POINTS, MOST_SERIES, Summary, render
from tocsin.evaluation.panel import Expected, Interval, Panel
from tocsin.evaluation.table import Table
from tocsin.pipeline.errors import SinkError
from tocsin.pipeline.incidents import Incident

START = 1_760_000_000_000_000_000
SECOND = 1_000_000_000
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{%{x}"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def panel(series="pump", rows=300, channels=("speed",), **changes):
    plain = Panel(
        series=series,
        channels=channels,
        time=START + SECOND * np.arange(rows),
        values=np.zeros((rows, len(channels))),
        score=np.linspace(0, 1, rows),
        tail=np.full(rows, 0.5),
        alpha=np.full(rows, 1e-3),
        alarm=np.zeros(rows, dtype=bool),
        incidents=(),
    )
    return replace(plain, **changes)


def incident(series="pump", first=100, name="a", **changes):
    plain = Incident(
        id=name,
        revision=2,
        state="resolved",
        kind="anomaly",
        series=series,
        started_at=START + first * SECOND,
        opened_at=START + (first + 5) * SECOND,
        ended_at=START + (first + 40) * SECOND,
        peak_at=START + first * SECOND,
        score=9.0,
        tail=1e-6,
        alpha=1e-3,
        severity=6.0,
        level="critical",
        rows=10,
        channels=(("speed", 0.75), ("load", 0.25)),
        reason="speed is unusual",
    )
    return replace(plain, **changes)


class Elements(HTMLParser):
    """The elements of a page, its text, and what its script elements hold."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.scripts, self.open = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open = tag
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        if self.open == "script":
            self.scripts[-1] += data
        elif self.open != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    @property
    def figures(self):
        return json.loads(self.scripts[0])


def rendered(tmp_path, panels, title="Title", summary=Summary()):  # noqa: B008 (it is frozen)
    render(panels, tmp_path / "page.html", title, summary)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    # Plotly's own script is not ours to look into, and slow to parse.
    return Elements(page.replace(get_plotlyjs(), "PLOTLY"))


def numbers(column):
    if isinstance(column, dict):
        return np.frombuffer(base64.b64decode(column["bdata"]), dtype=column["dtype"])
    return np.array(column, dtype=float)


def curve(figure, name):
    return next(trace for trace in figure["data"] if trace["name"] == name)


def test_the_page_asks_the_network_for_nothing(tmp_path):
    page = rendered(tmp_path, [panel(incidents=(incident(),))])
    links = [attrs.get(name, "") for _, attrs in page.tags for name in ("src", "href")]
    assert all(link.startswith(("#", "data:")) for link in links if link)
    policies = [attrs for _, attrs in page.tags if "http-equiv" in attrs]
    assert policies[0]["content"].startswith("default-src 'none'")


def test_plotly_is_embedded_once(tmp_path):
    page = rendered(tmp_path, [panel("a"), panel("b")])
    assert [script.strip() for script in page.scripts].count("PLOTLY") == 1


def test_the_same_panels_give_the_same_bytes(tmp_path):
    panels = [panel(incidents=(incident(),))]
    render(panels, tmp_path / "a.html", "A", Summary())
    render(panels, tmp_path / "b.html", "A", Summary())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_no_name_from_outside_becomes_markup(tmp_path):
    named = incident(HOSTILE, reason=HOSTILE, channels=((HOSTILE, 1.0),))
    odd = panel(HOSTILE, channels=(HOSTILE, "b"), incidents=(named,))
    odd = replace(odd, truth=(Interval(START, START + SECOND, HOSTILE),))
    table = Table(HOSTILE, (HOSTILE,), ((HOSTILE,),), note=HOSTILE)
    page = rendered(tmp_path, [odd], HOSTILE, Summary(HOSTILE, (table,)))
    assert len(page.scripts) == 3
    assert not [tag for tag, attrs in page.tags if tag == "img" or "onerror" in attrs]
    assert page.text.count("<img src=x onerror=alert(2)>") == 12


def test_plotly_is_given_names_without_markup(tmp_path):
    named = incident(reason="<b>r</b>", channels=(("<b>c</b>", 1.0),))
    odd = panel(channels=("<b>c</b>",), incidents=(named,))
    odd = replace(odd, truth=(Interval(START, START, "<b>t</b>"),))
    figure = rendered(tmp_path, [odd]).figures[0]
    assert "&lt;b&gt;c&lt;/b&gt;" in [trace["name"] for trace in figure["data"]]
    assert "<b>" not in json.dumps(figure)


def test_lone_surrogates_and_control_characters_are_spelled_out(tmp_path):
    page = rendered(tmp_path, [panel("a\ud800\x1b\n")])
    assert "a\\ud800\\x1b\\n" in page.text


def test_incidents_are_listed_with_what_is_known_of_them(tmp_path):
    page = rendered(tmp_path, [panel(incidents=(incident(),))])
    listed = (
        "2025-10-09 08:55:05 2025-10-09 08:55:40 pump anomaly critical 6 "
        "speed 75%, load 25% speed is unusual"
    )
    assert listed in page.text


def test_an_open_incident_of_a_health_kind_is_listed_without_numbers(tmp_path):
    silent = incident(kind="out_of_range", ended_at=None, severity=np.nan, channels=())
    page = rendered(tmp_path, [panel(incidents=(silent,))])
    assert "2025-10-09 08:55:05 open pump out of range critical -" in page.text


def test_an_incident_links_to_its_plot_and_time(tmp_path):
    quiet, loud = panel("quiet"), panel("loud", incidents=(incident("loud"),))
    page = rendered(tmp_path, [quiet, loud])
    link = next(attrs for _, attrs in page.tags if "data-from" in attrs)
    assert float(link["data-from"]) == (START + 100 * SECOND) / 1e6
    assert float(link["data-to"]) == (START + 140 * SECOND) / 1e6
    blocks = [attrs["id"] for tag, attrs in page.tags if tag == "article"]
    assert link["href"] == f"#{blocks[0]}"
    assert page.text.index("loud 300 rows") < page.text.index("quiet 300 rows")


def test_every_plot_has_the_time_span_of_all(tmp_path):
    late = panel("late")
    late = replace(late, time=late.time + 500 * SECOND)
    ranges = [f["layout"]["xaxis"]["range"] for f in rendered(tmp_path, [panel(), late]).figures]
    assert ranges[0] == ranges[1]
    assert ranges[0][0] <= START / 1e6
    assert ranges[0][1] >= (START + 799 * SECOND) / 1e6


def test_thinning_keeps_a_spike_and_bounds_a_curve(tmp_path):
    rows = 50_000
    long = panel(rows=rows)
    long.values[12_345] = 7.0
    long.score[23_456] = 99.0
    long.tail[34_567] = 1e-9
    figure = rendered(tmp_path, [long]).figures[0]
    for name, peak in (("speed", 7.0), ("raw score", 99.0), ("tail p", 9.0)):
        drawn = numbers(curve(figure, name)["y"])
        assert drawn.max() == pytest.approx(peak)
        assert len(drawn) <= MOST_POINTS


def test_hovering_tells_values_in_their_own_unit(tmp_path):
    two = panel(channels=("speed", "load"))
    two.values[:, 0] = 1000 + np.arange(300)
    trace = curve(rendered(tmp_path, [two]).figures[0], "speed")
    assert numbers(trace["customdata"])[0] == 1000
    assert abs(numbers(trace["y"])).max() < 3


def test_a_gap_is_not_bridged(tmp_path):
    gapped = panel()
    gapped.score[100:150] = np.nan
    drawn = numbers(curve(rendered(tmp_path, [gapped]).figures[0], "raw score")["y"])
    assert np.isnan(drawn[100:150]).all()


def test_a_time_without_rows_is_not_bridged(tmp_path):
    middle = np.full((300, 1), 5.0)
    late = panel(expected=Expected(middle, np.ones((300, 1))))
    late.time[200:] += 500 * SECOND
    figure = rendered(tmp_path, [late]).figures[0]
    for name in ("speed", "raw score", "tail p", "alarm level", "speed, expected"):
        drawn = numbers(curve(figure, name)["y"])
        assert np.flatnonzero(np.isnan(drawn)).tolist() == [200]
    assert curve(figure, "speed, expected band")["x"].count(None) == 2


def test_a_channel_has_one_colour_in_all_plots(tmp_path):
    two = panel(channels=("load", "speed"), incidents=(incident(),))
    for figure in rendered(tmp_path, [two, replace(two, series="fan", incidents=())]).figures:
        assert curve(figure, "speed")["meta"] == "c1"


def test_the_threshold_and_alarms_are_drawn_on_the_tail(tmp_path):
    alarmed = panel()
    alarmed.tail[60] = 1e-5
    alarmed.alarm[60] = True
    figure = rendered(tmp_path, [alarmed]).figures[0]
    dots = curve(figure, "row in alarm")
    assert numbers(dots["y"]).tolist() == [5.0]
    assert set(numbers(curve(figure, "alarm level")["y"])) == {3.0}


def test_more_series_than_the_most_are_told_and_their_incidents_listed(tmp_path):
    few = [panel(f"s{n}", rows=3) for n in range(MOST_SERIES + 2)]
    page = rendered(tmp_path, few)
    assert len(page.figures) == MOST_SERIES
    assert "+2 more" in page.text


def test_summary_tables_stand_at_the_top(tmp_path):
    table = Table("Faults", ("kind", "found"), (("spike", "3"),), numbers=(1,), note="A note.")
    page = rendered(tmp_path, [panel()], summary=Summary("A sentence.", (table,)))
    top = page.text[: page.text.index("Incidents None.")]
    assert "A sentence." in top
    assert "Faults kind found spike 3 A note." in top


def test_both_colour_schemes_name_the_same_colours(tmp_path):
    render([], tmp_path / "a.html", "A", Summary())
    style = re.search(r"<style>(.*?)</style>", (tmp_path / "a.html").read_text(), re.DOTALL)
    assert style is not None
    blocks = [set(re.findall(r"(--\w+):", b)) for b in re.findall(r"\{([^{}]*)\}", style[1])]
    schemes = [names for names in blocks if "--paper" in names]
    assert len(schemes) == 3  # light, dark by the reader's wish, dark by the button
    assert schemes[0] == schemes[1] == schemes[2]


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_odd_panels_can_be_drawn(tmp_path, rows):
    odd = panel(rows=rows, channels=("a", "b"))
    odd.values[:] = 1.7e308
    odd.values[::3] = np.inf
    odd.score[::2] = np.nan
    odd.tail[::2] = 0.0
    odd.alpha[:5] = np.nan
    figure = rendered(tmp_path, [odd, replace(odd, channels=(), values=np.empty((rows, 0)))])
    drawn = [numbers(trace["y"]) for f in figure.figures for trace in f["data"]]
    assert not any(np.isinf(values).any() for values in drawn)


def test_a_folder_in_the_way_is_named(tmp_path):
    with pytest.raises(SinkError, match=str(tmp_path)):
        render([], tmp_path, "None", Summary())


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page with")
def test_a_browser_draws_every_plot_without_an_error(tmp_path):
    odd = panel("b", channels=(HOSTILE, "b"), truth=(Interval(START, START + SECOND, "x"),))
    panels = [panel("a", incidents=(incident("a"),)), odd]
    render(panels, tmp_path / "page.html", HOSTILE, Summary())
    command = (
        f"{CHROMIUM} --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        "--enable-logging=stderr --virtual-time-budget=5000 --window-size=1400,3000 --dump-dom"
    )
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    page = (tmp_path / "page.html").as_uri()
    done = subprocess.run(
        [*command.split(), profile, page], capture_output=True, text=True, timeout=120, check=True
    )
    assert "CONSOLE" not in done.stderr
    assert len(re.findall('class="plot js-plotly-plot"', done.stdout)) == 2


def banded(rows=300, known=slice(100, 140), **changes):
    """A panel of two channels, with something expected of the first."""
    middle, usual = np.full((rows, 2), np.nan), np.full((rows, 2), np.nan)
    middle[known, 0], usual[known, 0] = 5.0, 0.5
    return panel(channels=("speed", "load"), expected=Expected(middle, usual), **changes)


def test_a_band_is_closed_around_what_was_expected(tmp_path):
    (figure,) = rendered(tmp_path, [banded()]).figures
    band = curve(figure, "speed, expected band")
    assert band["fill"] == "toself"
    assert band["x"][:40] == band["x"][79:39:-1]  # there along one edge and back along the other
    assert band["x"][80] is None
    assert (numbers(band["y"][:40]) < numbers(band["y"][79:39:-1])).all()
    middle = numbers(curve(figure, "speed, expected")["customdata"])
    assert middle[~np.isnan(middle)].tolist() == [5.0] * 40


def test_a_band_with_a_gap_is_two_areas(tmp_path):
    told = banded()
    assert told.expected is not None
    told.expected.middle[120] = np.nan
    (figure,) = rendered(tmp_path, [told]).figures
    assert curve(figure, "speed, expected band")["x"].count(None) == 2


def test_bands_are_drawn_of_the_channels_that_are_told_alone(tmp_path):
    (figure,) = rendered(tmp_path, [banded()]).figures
    assert not any("load, expected" in trace["name"] for trace in figure["data"])
    (figure,) = rendered(tmp_path, [panel(channels=("speed", "load"))]).figures
    assert not any("expected" in trace["name"] for trace in figure["data"])


def test_incidents_have_bars_of_blame_and_of_covariates(tmp_path):
    shares = {"a": (("sun", 0.9), ("wind", 0.1))}
    told = panel(channels=("speed", "load"), incidents=(incident(),), covariates=shares)
    page = rendered(tmp_path, [told])
    widths = [attrs.get("style") for tag, attrs in page.tags if attrs.get("class") == "share"]
    assert widths == ["--share: 75%", "--share: 25%", "--share: 90%", "--share: 10%"]
    assert "sun 90%" in page.text


def test_covariates_that_the_run_told_have_bars_where_none_were_looked_for_since(tmp_path):
    told = incident(covariates=(("sun", 0.6), ("wind", 0.4)))
    assert "sun 60%" in rendered(tmp_path, [panel(incidents=(told,))]).text
    later = panel(incidents=(told,), covariates={"a": (("rain", 0.7),)})
    page = rendered(tmp_path, [later])
    assert "rain 70%" in page.text
    assert "sun" not in page.text


def test_of_many_incidents_the_worst_have_bars(tmp_path):
    mild = [incident(name=str(i), severity=5.0, channels=(("load", 1.0),)) for i in range(9)]
    told = panel(channels=("speed", "load"), incidents=(*mild, incident()))
    page = rendered(tmp_path, [told])
    bars = [tag for tag, attrs in page.tags if attrs.get("class") == "share"]
    assert len(bars) == 2 + 5
    assert page.text.count("speed 75%") == 2  # in the table, and first among the bars


def test_one_channel_without_covariates_has_no_bars(tmp_path):
    page = rendered(tmp_path, [panel(incidents=(incident(),))])
    assert not [tag for tag, attrs in page.tags if attrs.get("class") == "share"]


def test_names_of_covariates_do_not_become_markup(tmp_path):
    told = panel(incidents=(incident(),), covariates={"a": ((HOSTILE, 1.0),)})
    page = rendered(tmp_path, [told])
    assert len(page.scripts) == 3
    assert not [tag for tag, attrs in page.tags if tag == "img" or "onerror" in attrs]


def test_no_time_near_1970_is_taken_for_a_year(tmp_path):
    (figure,) = rendered(tmp_path, [panel(time=SECOND * np.arange(300))]).figures
    times = numbers(curve(figure, "speed")["x"])
    np.testing.assert_allclose(times, 1000.0 * np.arange(300), atol=0.001)
    assert not (times[times < 10_000] % 1 == 0).any()
