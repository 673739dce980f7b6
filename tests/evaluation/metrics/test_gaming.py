"""What the docstrings and docs/metrics.md say of worthless scores is what they get."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from tocsin.evaluation import metrics
from tocsin.evaluation.metrics import gaming

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
SCORE = re.compile(r"constant score gets ([\d.]*\d).*?a random one (-?[\d.]*\d)", re.IGNORECASE)
ALARMS = re.compile(
    r"alarming always gets (?:an F1 of )?([\d.]*\d).*?1 % of rows ([\d.]*\d)", re.IGNORECASE
)
OF_SEVERITY = {"concordance": metrics.concordance, "tau_b": metrics.tau_b}
OF_ALARMS = {
    "pate_f1": metrics.pate_f1,
    "earliness": metrics.earliness,
    "row_parts": lambda labels, alarms: metrics.row_parts(labels, alarms).f1,
}


def said(name, pattern):
    """The two numbers of a metric's docstring."""
    text = " ".join((inspect.getdoc(getattr(metrics, name)) or "").split())
    found = pattern.search(text)
    assert found, f"{name} says nothing of worthless input"
    return [float(number) for number in found.groups()]


@pytest.mark.parametrize("name", gaming.METRICS)
def test_a_docstring_says_what_worthless_scores_get(name):
    scores = gaming.worthless_scores()
    metric = gaming.METRICS[name]
    found = [metric(gaming.plain_labels(), scores[kind]) for kind in ("constant", "random")]
    assert said(name, SCORE) == pytest.approx(found, abs=5.1e-4)


@pytest.mark.parametrize("name", OF_SEVERITY)
def test_a_docstring_says_what_worthless_scores_get_against_severity(name):
    scores = gaming.worthless_scores()
    metric = OF_SEVERITY[name]
    found = [metric(gaming.plain_severity(), scores[kind]) for kind in ("constant", "random")]
    assert said(name, SCORE) == pytest.approx(found, abs=5.1e-4)


@pytest.mark.parametrize("name", OF_ALARMS)
def test_a_docstring_says_what_worthless_alarms_get(name):
    found = [OF_ALARMS[name](gaming.plain_labels(), a) for a in gaming.worthless_alarms().values()]
    assert said(name, ALARMS) == pytest.approx(found, abs=5.1e-4)


def test_the_docstring_of_care_says_what_worthless_alarms_get():
    text = " ".join((inspect.getdoc(metrics.care) or "").split())
    wanted = gaming.worthless_care()
    assert f"Never alarming gets {wanted['never']:.3f}," in text
    assert f"alarming always {wanted['always']:.3f}," in text
    assert f"alarming in a random half of the rows {wanted['coin']:.3f}." in text


@pytest.mark.parametrize("name", ["vus_pr", "pate", "pate_step", "auc_pr", "best_f1", "pa_f1"])
def test_a_docstring_says_what_is_rewarded_and_how_it_is_gamed(name):
    text = inspect.getdoc(getattr(metrics, name)) or ""
    assert re.search(r"Gamed\s", text)
    assert re.search(r"Rewards|As\s+`", text)


def test_the_page_shows_the_table_as_the_code_makes_it():
    assert gaming.markdown(gaming.gameability()) in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_metric():
    text = PAGE.read_text(encoding="utf-8")
    functions = [n for n in metrics.__all__ if inspect.isfunction(getattr(metrics, n))]
    assert functions
    assert [name for name in functions if f"`{name}`" not in text] == []


def test_the_perfect_score_is_best_under_every_metric_of_the_table():
    labels, scores = gaming.plain_labels(), gaming.worthless_scores()
    for name, metric in gaming.METRICS.items():
        if name != "distinct_scores":
            every = {kind: metric(labels, score) for kind, score in scores.items()}
            assert every["perfect"] == max(every.values()), name


def test_the_severities_stand_on_the_events_alone():
    severity = gaming.plain_severity()
    assert ((severity > 0) == gaming.plain_labels()).all()
    assert set(np.unique(severity)) == {0.0, 1.0, 2.0, 3.0}
