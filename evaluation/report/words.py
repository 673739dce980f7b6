"""What the report says in words: how to read it, and what each number means."""

from tocsin.evaluation.comparing.leaderboard import DAGGER, ORACLES
from tocsin.evaluation.wording import plain

MODES = {
    "causal": (
        "Live",
        "causal: a row is judged by what came before it, as in a live run",
    ),
    "offline": (
        "Looking back",
        "offline: a row is judged with the rows after it in sight, which no live run has",
    ),
}

READING = (
    (
        "Causal and offline",
        "A causal detector judges a row by what came before it, as it does live. An offline one "
        "has seen the rows after it as well; it suits looking back, and its numbers are never "
        "ranked with causal ones. In plots that hold both, offline ones are hollow and dashed.",
    ),
    (
        "Controls",
        "Grey rows and dots. They are far too simple to be useful: random scores, a constant, the "
        "position in the series, a moving standard deviation, the distance to clean rows. A "
        "detector that does not beat them on a data set has found nothing there that was not easy.",
    ),
    (
        "Macro mean and interval",
        "The mean over data sets of the mean over their series, so that a data set of many series "
        "does not outvote the others. The interval is where it lands in 95 of 100 draws of other "
        "series of the same data sets. Where two intervals overlap widely, either may be the "
        "better one.",
    ),
    (
        "Oracle marks (†)",
        "A column marked † picks its threshold by looking at the labels. It tells what would be "
        "possible, not what a run gives. All other thresholds are the pipeline's own.",
    ),
    (
        "Hit, missed, false",
        "A labelled event is hit if an incident that the detector raised, an anomaly, overlaps it, "
        "and missed if none does. An anomaly that overlaps no labelled event is false, though "
        "labels are not always complete. Health incidents, such as stuck and stale, come from the "
        "pipeline's checks and from no score; they are drawn and count neither way, series by "
        "series and in the tables.",
    ),
)

# A metric's name for people, and what it tells.
_METRICS = {
    "vus_pr": ("VUS-PR", "how well rows are ranked, near events included; 1 is perfect"),
    "vus_roc": ("VUS-ROC", "the same by true and false positive rates; lenient on rare events"),
    "pate": ("PATE", "ranking weighed by how near in time alarms are; a constant scores high"),
    "pate_step": ("PATE, steps", "PATE without credit for ties, so a constant gains nothing"),
    "event_aupimo": ("event-AUPIMO", "how much of each event is seen while few normal rows alarm"),
    "auc_pr": ("AUC-PR", "ranking of single rows by precision and recall"),
    "auc_roc": ("AUC-ROC", "ranking of single rows; 0.5 is chance"),
    "best_f1": ("best F1", "F1 at the threshold that suits the labels best"),
    "affiliation_f1": ("affiliation F1", "nearness of alarms to events; random alarms score high"),
    "range_f1": ("range F1", "overlap of alarmed stretches with events"),
    "event_f1": ("event F1", "events hit against alarms that hit none"),
    "care": ("CARE", "coverage, accuracy, reliability and earliness in one number"),
    "nab_score": ("NAB", "the score of the NAB benchmark, of 100"),
    "pa_f1": ("point-adjusted F1 (inflated)", "one alarmed row counts for its whole event"),
}


def metric_name(column: str) -> str:
    """A metric's name for people, oracles marked; an unknown one is shown as it is.

    >>> metric_name("vus_pr"), metric_name("best_f1"), metric_name("my_own")
    ('VUS-PR', 'best F1 †', 'my_own')
    """
    name = _METRICS.get(column, (plain(column), ""))[0]
    return f"{name} {DAGGER}" if column in ORACLES else name


def metric_meaning(column: str) -> str:
    """What a metric tells, in half a sentence; "" where that is not known."""
    return _METRICS.get(column, ("", ""))[1]


def titled(detector: str, mode: str) -> str:
    """A detector's name; what is not causal is marked.

    >>> titled("ewma", "causal"), titled("ewma", "offline")
    ('ewma', 'ewma (offline)')
    """
    return plain(detector) if mode == "causal" else f"{plain(detector)} ({plain(mode)})"
