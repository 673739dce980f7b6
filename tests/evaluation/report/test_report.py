import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from tocsin.evaluation.panel import Interval, Panel
from tocsin.evaluation.report.cases import MOST_CASES, MOST_POINTS
from tocsin.evaluation.report.report import Judged, Report, write_report
from tocsin.evaluation.report.style import REPORT_STYLE
from tocsin.evaluation.table import Table
from tocsin.pipeline.errors import SinkError, TocsinError
from tocsin.pipeline.incidents import Incident

START = 1_760_000_000_000_000_000
SECOND = 1_000_000_000
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{%{x}"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><title>ranks</title><path d="M0 0"/></svg>'


def judged(dataset="plant", series="pump", detector="ewma", mode="causal", rows=300):
    incident = Incident(
        id="a",
        revision=1,
        state="resolved",
        kind="anomaly",
        series=series,
        started_at=START + 100 * SECOND,
        opened_at=START + 105 * SECOND,
        ended_at=START + 140 * SECOND,
        peak_at=START,
        score=9.0,
        tail=1e-6,
        alpha=1e-3,
        severity=6.0,
        level="critical",
        rows=10,
        channels=((series, 1.0),),
        reason=series,
    )
    panel = Panel(
        series=series,
        channels=(series,),
        time=START + SECOND * np.arange(rows),
        values=np.zeros((rows, 1)),
        score=np.linspace(0, 1, rows),
        tail=np.full(rows, 0.5),
        alpha=np.full(rows, 1e-3),
        alarm=np.zeros(rows, dtype=bool),
        incidents=(incident,),
        truth=(Interval(START + 120 * SECOND, START + 130 * SECOND, series),),
    )
    return Judged(dataset, series, detector, mode, panel, {"vus_pr": 0.25, "own": np.nan})


def frames(names=("ewma", "random"), modes=("causal", "offline")):
    """Scores, budget and cost: the first name is the best."""
    rows = [
        {"detector": name, "mode": mode, "dataset": dataset, "series": series,
         "vus_pr": 0.9 / (place + 1), "auc_roc": 0.5}
        for place, name in enumerate(names) for mode in modes
        for dataset in ("plant", "lab") for series in ("a", "b")
    ]  # fmt: skip
    budget = [
        {"detector": name, "mode": mode, "per_week": allowed, "caught_share": 0.5,
         "false_per_week": allowed / 2}
        for name in names for mode in modes for allowed in (0.1, 1.0, 10.0)
    ]  # fmt: skip
    cost = [
        {"detector": name, "mode": mode, "seconds": 2.0, "rows": 1000, "megabytes": 30.0}
        for name in names for mode in modes
    ]  # fmt: skip
    return pd.DataFrame(rows), pd.DataFrame(budget), pd.DataFrame(cost)


def report(name="ewma", **changes):
    scores, budget, cost = frames((name, "random"))
    fields = {
        "title": "Backtest",
        "summary": "A sentence.",
        "tables": (board("causal"), board("offline")),
        "drawings": (("Ranks", SVG),),
        "scatter": scores,
        "budget": budget,
        "cost": cost,
        "judged": (judged(),),
        "provenance": {"commit": "0123abc"},
        "by_dataset": (Table("By data set", ("detector", "plant"), (("ewma", "0.7"),), (1,)),),
        "by_kind": (Table("By kind", ("detector", "spike"), (("ewma", "3 of 4"),), (1,)),),
    }
    return Report(**(fields | changes))


def board(mode):
    rows = (("ewma", "0.90 [0.80, 0.95]"), ("random", "0.45 [0.40, 0.50]"))
    return Table(f"Leaderboard, {mode}", ("detector", "vus_pr"), rows, (1,), f"Note, {mode}.")


def empty(**changes):
    nothing = pd.DataFrame()
    return Report("Nothing", "", (), (), nothing, nothing, nothing, (), {}, **changes)


class Elements(HTMLParser):
    """The elements of a page, its text, its table rows, and its scripts by id."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.scripts, self.rows = [], [], [], []
        self.open = ()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open = (tag, dict(attrs))
        self.tags.append(self.open)
        if tag == "script":
            self.scripts.append([dict(attrs).get("id"), ""])
        if tag == "tr":
            self.rows.append((dict(attrs).get("class", ""), []))

    def handle_endtag(self, tag):
        self.open = ()
        if tag == "table":
            self.rows.append(("", []))

    def handle_data(self, data):
        if self.open and self.open[0] == "script":
            self.scripts[-1][1] += data
        elif not (self.open and self.open[0] == "style"):
            self.words.append(data)
            if self.open and self.open[0] in ("td", "button") and self.rows:
                self.rows[-1][1].append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def data(self, name):
        return json.loads(dict(self.scripts)[name])


def written(tmp_path, what):
    write_report(what, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    # Plotly's own script is not ours to look into, and slow to parse.
    return Elements(page.replace(get_plotlyjs(), "PLOTLY"))


def numbers(column, cases):
    if "pool" in column:
        column = cases["arrays"][column["pool"]]
    return np.frombuffer(base64.b64decode(column["bdata"]), dtype=column["dtype"])


def test_the_report_asks_the_network_for_nothing(tmp_path):
    page = written(tmp_path, report())
    links = [attrs.get(name) or "" for _, attrs in page.tags for name in ("src", "href")]
    assert all(link.startswith(("#", "data:")) for link in links if link)
    policies = [attrs for _, attrs in page.tags if "http-equiv" in attrs]
    assert policies[0]["content"].startswith("default-src 'none'")


def test_every_link_within_the_page_leads_somewhere(tmp_path):
    page = written(tmp_path, report())
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    links = [attrs["href"][1:] for tag, attrs in page.tags if tag == "a"]
    assert len(ids) == len(set(ids))
    assert links
    assert set(links) <= set(ids)


def test_equal_reports_give_equal_bytes(tmp_path):
    write_report(report(), tmp_path / "a.html")
    write_report(report(), tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_no_name_from_outside_becomes_markup(tmp_path):
    table = Table(HOSTILE, (HOSTILE,), ((HOSTILE,),), note=HOSTILE)
    hostile = report(
        HOSTILE,
        title=HOSTILE,
        summary=HOSTILE,
        tables=(table,),
        by_dataset=(table,),
        by_kind=(table,),
        drawings=((HOSTILE, SVG),),
        judged=(judged(HOSTILE, HOSTILE, HOSTILE),),
        provenance={HOSTILE: HOSTILE},
    )
    hostile = Report(
        **{n: getattr(hostile, n) for n in Report.__dataclass_fields__ if n != "scatter"},
        scatter=hostile.scatter.rename(columns={"auc_roc": HOSTILE}).replace("plant", HOSTILE),
    )
    page = written(tmp_path, hostile)
    assert len(page.scripts) == 4
    assert not [tag for tag, attrs in page.tags if tag == "img" or "onerror" in attrs]
    assert page.text.count("<img src=x onerror=alert(2)>") > 20


def test_plotly_is_given_names_without_markup(tmp_path):
    name = "<b>c</b>"
    page = written(tmp_path, report(name, judged=(judged(name, name, name),)))
    assert "<b>" not in json.dumps(page.data("cases-data")["figures"])
    charts = page.data("charts-data")
    assert charts["looks"][0]["name"] == "&lt;b&gt;c&lt;/b&gt;"
    assert "<b>" not in json.dumps(charts["budget"]["data"][0]["name"])


def test_the_verdict_stands_before_everything_else(tmp_path):
    text = written(tmp_path, report()).text
    assert text.index("Use ewma") < text.index("How to read this") < text.index("Leaderboard,")


def test_every_cell_of_every_table_is_on_the_page(tmp_path):
    page = written(tmp_path, report())
    rows = [cells for _, cells in page.rows]
    assert ["ewma", "0.90 [0.80, 0.95]"] in rows
    assert ["random", "0.45 [0.40, 0.50]"] in rows
    assert ["ewma", "0.7"] in rows
    assert ["ewma", "3 of 4"] in rows
    assert "Note, causal." in page.text


def test_rows_of_controls_are_set_apart(tmp_path):
    page = written(tmp_path, report())
    assert {cells[0] for kind, cells in page.rows if kind == "control"} == {"random"}


def test_causal_and_offline_are_told_apart_wherever_both_stand(tmp_path):
    both = (judged(mode="causal"), judged(mode="offline"))
    page = written(tmp_path, report(judged=both))
    assert page.text.count("Use ewma") == 2
    charts = page.data("charts-data")
    assert [look["name"] for look in charts["looks"]] == [
        "ewma", "random", "ewma (offline)", "random (offline)",
    ]  # fmt: skip
    assert {trace["name"] for trace in charts["budget"]["data"]} == {
        look["name"] for look in charts["looks"]
    }
    assert [each["detector"] for each in page.data("cases-data")["index"]] == [
        "ewma", "ewma (offline)",
    ]  # fmt: skip


def test_thinning_keeps_a_spike_and_bounds_a_curve(tmp_path):
    long = judged(rows=50_000)
    long.panel.values[12_345] = 7.0
    long.panel.score[23_456] = 99.0
    cases = written(tmp_path, report(judged=(long,))).data("cases-data")
    traces = {trace.get("name"): trace for trace in cases["figures"][0]["data"]}
    for name, peak in (("pump", 7.0), ("raw score", 99.0)):
        drawn = numbers(traces[name]["y"], cases)
        assert drawn.max() == peak
        assert len(drawn) <= MOST_POINTS


def test_a_signal_judged_by_many_is_kept_once(tmp_path):
    two = (judged(detector="a"), judged(detector="b"))
    cases = written(tmp_path, report(judged=two)).data("cases-data")
    signals = [
        next(trace for trace in figure["data"] if trace.get("name") == "pump")["y"]
        for figure in cases["figures"]
    ]
    assert signals[0] == signals[1] == {"pool": signals[0]["pool"]}


def test_judged_series_beyond_the_most_are_left_out_and_counted(tmp_path):
    few = tuple(judged(series=f"s{n}", rows=2) for n in range(MOST_CASES + 3))
    page = written(tmp_path, report(judged=few))
    assert len(page.data("cases-data")["figures"]) == MOST_CASES
    assert "3 more are left out" in page.text


def test_a_missing_metric_is_a_dash_and_no_number(tmp_path):
    page = written(tmp_path, report())
    listed = next(cells for _, cells in page.rows if cells[:2] == ["plant", "pump"])
    assert listed == ["plant", "pump", "ewma", "1", "1", "0", "0", "0.25", "-"]


def test_missing_values_are_null_in_the_plots(tmp_path):
    scores, _, _ = frames()
    scores.loc[scores["detector"] == "random", "auc_roc"] = np.nan
    charts = written(tmp_path, report(scatter=scores)).data("charts-data")
    values = charts["views"][0]["values"]["auc_roc"]
    assert [value is None for value in values].count(True) == 2


def test_a_report_of_nothing_says_so(tmp_path):
    page = written(tmp_path, empty())
    assert "There are no results to tell from." in page.text
    assert page.data("charts-data")["views"] == []
    assert page.data("cases-data") == {"index": [], "figures": [], "arrays": []}
    sections = {attrs.get("id") for tag, attrs in page.tags if tag == "section"}
    assert sections == {"verdict", "reading"}


def test_a_mode_without_a_common_series_is_named(tmp_path):
    scores, _, _ = frames(modes=("offline",))
    scores["series"] = scores["detector"]
    scores = scores.drop_duplicates(["detector", "dataset"])
    page = written(tmp_path, report(scatter=scores))
    assert "No offline verdict: no series has a result of every detector." in page.text


def test_a_frame_without_its_columns_is_refused():
    with pytest.raises(TocsinError, match="budget of the report lacks caught_share"):
        report(budget=pd.DataFrame({"detector": ["a"], "mode": ["causal"], "per_week": [1.0]}))


def test_a_folder_in_the_way_is_named(tmp_path):
    with pytest.raises(SinkError, match=str(tmp_path)):
        write_report(empty(), tmp_path)


def test_both_colour_schemes_name_the_same_colours():
    blocks = [set(re.findall(r"(--\w+):", b)) for b in re.findall(r"\{([^{}]*)\}", REPORT_STYLE)]
    schemes = [names - {"--missed"} for names in blocks if "--heat" in names]
    assert len(schemes) == 3  # light, dark by the reader's wish, dark by the button
    assert schemes[0] == schemes[1] == schemes[2]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the report with")
def test_a_browser_draws_every_plot_without_an_error(tmp_path):
    write_report(report(HOSTILE, judged=(judged(HOSTILE), judged())), tmp_path / "page.html")
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
    assert len(re.findall('class="(?:plot|chart) js-plotly-plot"', done.stdout)) == 4
