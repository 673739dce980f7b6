"""The report's script: sorting tables, choosing axes, and drawing a chosen series on demand."""

from tocsin.evaluation.pages.script import SHARED

_TABLES = r"""
const leading = (text) => {
  const found = text.replace(/^[* †<>~]+/, "").match(/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/i);
  return found ? Number(found[0]) : null;
};

function sort(table, column, up) {
  const body = table.tBodies[0];
  const numeric = table.tHead.rows[0].cells[column].classList.contains("number");
  const keyed = [...body.rows].map((row) => {
    const text = row.cells[column].textContent;
    return { row, key: numeric ? leading(text) : text };
  });
  const compare = (a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    const order = numeric ? a.key - b.key : a.key.localeCompare(b.key);
    return up ? order : -order;
  };
  body.append(...keyed.sort(compare).map((each) => each.row));
}

document.addEventListener("click", (event) => {
  const head = event.target.closest("table.sortable th");
  if (!head) return;
  const before = head.getAttribute("aria-sort");
  const up = before ? before === "descending" : !head.classList.contains("number");
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  sort(head.closest("table"), head.cellIndex, up);
});
"""

_CHARTS = r"""
const charts = JSON.parse(document.getElementById("charts-data").textContent);
const config = { responsive: true, displayModeBar: false };
const byId = (id) => document.getElementById(id);

function options(select, choices) {
  select.replaceChildren(...choices.map(([value, name]) => new Option(name, value)));
}

function dots(view, x, y, named) {
  return charts.looks.map((look, who) => {
    const rows = view.who.flatMap((each, row) =>
      each === who && x[row] != null && y[row] != null ? [row] : []);
    const label = look.role === "control" ? "" : look.name;
    const tell = "<b>" + look.name + "</b> ";
    return {
      type: "scatter", mode: named ? "markers+text" : "markers", name: look.name,
      x: rows.map((row) => x[row]), y: rows.map((row) => y[row]),
      text: rows.map((row) => (named ? label : view.label[row])),
      textposition: look.mode === "causal" ? "top center" : "bottom center",
      textfont: { size: 11, color: colour("soft") }, cliponaxis: false,
      marker: { symbol: look.symbol, size: named ? 12 : 8, opacity: 0.85 },
      customdata: rows.map((row) => (view.megabytes || [])[row] ?? null),
      meta: look.role, legendgroup: look.mode, legendgrouptitle: { text: look.mode },
      hovertemplate: tell + (named ? "" : "%{text}") +
        "<br>%{xaxis.title.text} %{x:.3~g}<br>%{yaxis.title.text} %{y:.3~g}<extra></extra>",
    };
  }).filter((trace) => trace.x.length);
}

function draw(id, data, layout) {
  const plot = byId(id);
  if (!plot) return;
  const common = {
    height: 480, template: null, hovermode: "closest", margin: { l: 60, r: 12, t: 12, b: 50 },
    legend: { groupclick: "toggleitem" },
  };
  const figure = { data, layout: { ...common, ...structuredClone(layout) } };
  paint(figure);
  Plotly.react(plot, figure.data, figure.layout, config);
}

const axis = (name, more) => ({
  title: { text: name }, automargin: true, zeroline: false, ...more,
});
const metricName = (key) => charts.metrics.find((metric) => metric.key === key).name;

function drawDots() {
  if (!charts.views.length || !byId("dots")) return;
  const view = charts.views.find((each) => each.key === byId("dots-view").value);
  const [x, y] = [byId("dots-x").value, byId("dots-y").value];
  const left = view.left_out ? view.left_out + " dots more are not drawn." : "";
  byId("dots-note").textContent = left;
  draw("dots", dots(view, view.values[x], view.values[y], view.key === "detector"), {
    xaxis: axis(metricName(x)), yaxis: axis(metricName(y)),
  });
}

function drawCost() {
  if (!charts.views.length || !byId("cost")) return;
  const view = charts.views[0], y = byId("cost-y").value;
  const data = dots(view, view[charts.speed], view.values[y], true);
  for (const trace of data) {
    trace.showlegend = false;
    trace.hovertemplate = trace.hovertemplate.replace("<extra>",
      "<br>%{customdata:.3~g} MB at most<extra>");
  }
  draw("cost", data, {
    xaxis: axis("rows a second", { type: "log", dtick: 1 }), yaxis: axis(metricName(y)),
  });
}

function drawBudget() {
  if (charts.budget) draw("budget", charts.budget.data, charts.budget.layout);
}

function prepareCharts() {
  const metrics = charts.metrics.map((metric) => [metric.key, metric.told]);
  if (byId("dots")) {
    options(byId("dots-view"), charts.views.map((view) => [view.key, view.name]));
    for (const id of ["dots-x", "dots-y"]) options(byId(id), metrics);
    if (metrics.length > 1) byId("dots-y").selectedIndex = 1;
    for (const id of ["dots-view", "dots-x", "dots-y"]) {
      byId(id).addEventListener("change", drawDots);
    }
  }
  if (byId("cost")) {
    options(byId("cost-y"), metrics);
    byId("cost-y").addEventListener("change", drawCost);
  }
}
"""

_CASES = r"""
const cases = JSON.parse(document.getElementById("cases-data").textContent);
const chosen = { place: -1 };
const LEVELS = ["dataset", "series", "detector"];

function resolved(value) {
  if (Array.isArray(value)) return value.map(resolved);
  if (value === null || typeof value !== "object") return value;
  if ("pool" in value) return { ...cases.arrays[value.pool] };
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, resolved(part)]));
}

function distinct(level, fixed) {
  const fitting = cases.index.filter((each) => fixed.every((name) => each[name] === cases
    .index[chosen.place][name]));
  return [...new Set(fitting.map((each) => each[level]))];
}

function choose(place) {
  if (!cases.index[place]) return;
  chosen.place = place;
  LEVELS.forEach((level, depth) => {
    const select = byId("case-" + level);
    options(select, distinct(level, LEVELS.slice(0, depth)).map((name) => [name, name]));
    select.value = cases.index[place][level];
  });
  byId("case-told").textContent = cases.index[place].told;
  for (const row of document.querySelectorAll(".cases tbody tr")) {
    row.classList.toggle("chosen", Number(row.dataset.place) === place);
  }
  drawCase();
}

// The case that keeps what was chosen up to `depth`, and as much of the rest as there is.
function nearest(depth) {
  const wanted = Object.fromEntries(LEVELS.map((level) => [level, byId("case-" + level).value]));
  let best = -1, most = -1;
  cases.index.forEach((each, place) => {
    const fits = LEVELS.slice(0, depth + 1).every((level) => each[level] === wanted[level]);
    const kept = LEVELS.filter((level) => each[level] === wanted[level]).length;
    if (fits && kept > most) [best, most] = [place, kept];
  });
  return best;
}

function drawCase() {
  if (chosen.place < 0) return;
  const figure = resolved(cases.figures[chosen.place]);
  paint(figure);
  Plotly.react(byId("case"), figure.data, figure.layout, config);
}

function prepareCases() {
  if (!cases.index.length) return;
  LEVELS.forEach((level, depth) => {
    byId("case-" + level).addEventListener("change", () => choose(nearest(depth)));
  });
  const step = (by) => choose((chosen.place + by + cases.index.length) % cases.index.length);
  byId("case-before").addEventListener("click", () => step(-1));
  byId("case-after").addEventListener("click", () => step(1));
  [...document.querySelectorAll(".cases tbody tr")].forEach((row, place) => {
    row.dataset.place = place;
    row.tabIndex = 0;
    row.addEventListener("click", () => choose(place));
    row.addEventListener("keydown", (event) => event.key === "Enter" && choose(place));
  });
  choose(0);
}

function repaint() { drawDots(); drawCost(); drawBudget(); drawCase(); }
prepareCharts();
drawDots(); drawCost(); drawBudget();
prepareCases();
"""

REPORT_SCRIPT = SHARED + _TABLES + _CHARTS + _CASES
