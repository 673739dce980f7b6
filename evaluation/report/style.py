"""What the report's style sheet adds to the one that all pages share."""

from tocsin.evaluation.pages.style import STYLE
from tocsin.evaluation.palette import VERMILLION

_LIGHT = "--control: #8a9099; --heat: #0072B2; --tint: #e9f2f9; --edge: #0072B2;"
_DARK = "--control: #8d949d; --heat: #3d9bd6; --tint: #16293a; --edge: #56B4E9;"

REPORT_STYLE = (
    STYLE
    + f"""
:root {{ {_LIGHT} --missed: {VERMILLION}; }}
@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {_DARK} }} }}
:root[data-theme=dark] {{ {_DARK} }}
"""
    + """
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 4px; font-size: 14px; }
section { scroll-margin-top: 8px; }
.verdicts { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 20px; }
#verdict h2 { margin-top: 14px; }
.verdict { background: var(--tint); border: 1px solid var(--edge); border-left-width: 6px;
  border-radius: 8px; padding: 14px 20px; min-width: 0; }
.verdict .mode { font-size: 13px; margin: 0; }
.verdict .mode b { color: var(--ink); text-transform: uppercase; letter-spacing: 0.05em; }
.verdict h3 { font-size: 24px; margin: 2px 0 6px; overflow-wrap: anywhere; }
.verdict ul { margin: 6px 0 12px; padding-left: 18px; }
.verdict li.fails { font-weight: 600; }
.verdict li.fails::marker { content: "✗  "; color: var(--missed); }
.verdict.none { border-color: var(--missed); }
.rank { display: grid; grid-template-columns: minmax(90px, 190px) 1fr 48px; gap: 2px 10px;
  align-items: center; font-size: 13px; }
.rank > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.rank .number { text-align: right; }
.rank .first { font-weight: 700; }
.rank .easy { color: var(--soft); }
.bar { position: relative; height: 14px; background: var(--grid); border-radius: 3px; }
.bar i { position: absolute; inset: 0 auto 0 0; width: calc(100% * var(--at)); border-radius: 3px;
  background: var(--c0); opacity: 0.55; }
.bar.first i { opacity: 1; }
.bar.easy i { background: var(--control); }
.bar u { position: absolute; top: 6px; height: 2px; background: var(--ink);
  left: calc(100% * var(--low)); width: calc(100% * (var(--high) - var(--low))); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 18px; margin: 0; }
dt { font-weight: 600; }
dd { margin: 0; color: var(--soft); max-width: 90ch; }
details > summary { cursor: pointer; margin: 6px 0; }
dl.reading { grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 12px 32px; }
dl.reading ul { margin: 0; padding-left: 18px; }
.stack { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 20px; margin-top: 8px; }
.stack > .card { min-width: 0; }
/* A note takes the width of its table and does not widen it. */
.stack > .card > p { width: 0; min-width: 100%; font-size: 13px; }
th button { all: unset; cursor: pointer; white-space: nowrap; }
th button:hover { color: var(--ink); text-decoration: underline; }
th button:focus-visible { outline: 2px solid var(--link); }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
tr.control td { color: var(--soft);
  background: color-mix(in srgb, var(--control) 16%, transparent); }
td:first-child, th:first-child { padding-left: 8px; }
td[style], tr.control td[style] { color: var(--ink);
  background: color-mix(in srgb, var(--heat) calc(var(--shade) * 55%), transparent); }
td[style], th.number { padding-right: 10px; padding-left: 10px; }
tbody tr.chosen td { box-shadow: inset 0 -2px var(--edge), inset 0 2px var(--edge); }
.cases tbody tr { cursor: pointer; }
.cases tbody tr:hover td { text-decoration: underline; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(520px, 1fr)); gap: 20px; }
.charts > .card { min-width: 0; }
.wide { grid-column: 1 / -1; }
.chart { min-height: 460px; }
figure { margin: 0; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: 14px; }
select { font: inherit; color: var(--ink); background: var(--card); max-width: 30em;
  border: 1px solid var(--rule); border-radius: 6px; padding: 4px 8px; }
label { color: var(--soft); font-size: 14px; }
.outcome { white-space: nowrap; margin-right: 14px; }
.outcome::before { content: attr(data-sign); display: inline-block; width: 18px; height: 18px;
  line-height: 17px; margin-right: 7px; border-radius: 3px; text-align: center; font-size: 12px;
  color: #ffffff; background: var(--level); }
.empty { font-style: italic; }
@media (max-width: 640px) {
  .verdicts, .charts, dl, dl.reading { grid-template-columns: minmax(0, 1fr); } }
"""
)
