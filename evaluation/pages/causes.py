"""What made the incidents of one series, as bars: blamed channels and covariates."""

from tocsin.evaluation.pages.frame import safe
from tocsin.evaluation.panel import Panel, Shares, extent, mildest_first
from tocsin.evaluation.wording import moment
from tocsin.pipeline.incidents import Incident

MOST_INCIDENTS = 6
MOST_BARS = 5  # of a kind


def causes(panel: Panel, place: int, last: int) -> str:
    """The worst incidents with what they are put down to; "" where there is nothing to tell.

    `place` is that of the series on the page and `last` the page's last nanosecond: a link zooms
    all plots to its incident. Names are escaped.
    """
    worst = [one for one in reversed(mildest_first(panel)) if _telling(panel, one)]
    if not worst:
        return ""
    told = "".join(_cause(panel, one, place, last) for one in worst[:MOST_INCIDENTS])
    return f'<div class="causes">{told}</div>'


def _telling(panel: Panel, incident: Incident) -> bool:
    """Whether there is more to say than that the one channel is to blame."""
    blamed = incident.channels if len(panel.channels) > 1 else ()
    return bool(blamed or _covariates(panel, incident))


def _covariates(panel: Panel, incident: Incident) -> Shares:
    """Those of the panel, which has seen the whole series, or else what the live run told."""
    return panel.covariates.get(incident.id, incident.covariates)


def _cause(panel: Panel, incident: Incident, place: int, last: int) -> str:
    start, end = (edge / 1e6 for edge in extent(incident, last))
    beside = _covariates(panel, incident)
    return (
        f'<div><a href="#series-{place}" data-from="{start}" data-to="{end}">'
        f"{moment(incident.opened_at)}</a>, {incident.level}"
        f"{_bars(incident.channels, 'of the blame', '')}"
        f"{_bars(beside, 'of what covariates tell', 'beside')}</div>"
    )


def _bars(shares: Shares, told: str, kind: str) -> str:
    """A bar and a line of words for each share, largest first."""
    if not shares:
        return ""
    lines = "".join(
        f'<li><span class="share" style="--share: {share:.0%}"></span>{safe(name)} {share:.0%}</li>'
        for name, share in shares[:MOST_BARS]
    )
    hidden = len(shares) - MOST_BARS
    more = f"<li>+{hidden} more</li>" if hidden > 0 else ""
    return f'<ul class="{kind}" title="{told}">{lines}{more}</ul>'
