"""The script of the page: draws plots as they come into view and keeps their zoom together."""

# What every page needs: colours from the style sheet, and a button for light and dark. A script
# that follows defines `repaint`, which is called when the scheme has changed.
SHARED = """
"use strict";
const root = document.documentElement;
const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

function paintLayout(layout) {
  layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
  layout.font = { color: colour("ink"), size: 12 };
  layout.hoverlabel = { bgcolor: colour("card"), font: { color: colour("ink") } };
  for (const name of Object.keys(layout).filter((name) => /^[xy]axis/.test(name))) {
    layout[name].gridcolor = colour("grid");
    layout[name].linecolor = layout[name].tickcolor = colour("rule");
  }
}

function paint(figure) {
  paintLayout(figure.layout);
  for (const trace of figure.data.filter((trace) => trace.meta)) {
    if (trace.line) trace.line.color = colour(trace.meta);
    if (trace.marker) trace.marker.color = colour(trace.meta);
    if (trace.fill) trace.fillcolor = colour(trace.meta) + "33";  // a fifth opaque
  }
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => repaint());
document.getElementById("theme").addEventListener("click", () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  repaint();
});
"""

SCRIPT = (
    SHARED
    + """
const plots = [...document.querySelectorAll(".plot")];
const figures = JSON.parse(document.getElementById("figures").textContent);
const drawn = new Set();
const whole = figures.length ? figures[0].layout.xaxis.range.slice() : null;
let range = whole;
let following = false;

function show(plot) {
  const figure = figures[plots.indexOf(plot)];
  paint(figure);
  figure.layout.xaxis.range = range.slice();
  const config = { responsive: true, displayModeBar: false };
  if (drawn.has(plot)) return Plotly.react(plot, figure.data, figure.layout, config);
  drawn.add(plot);
  return Plotly.newPlot(plot, figure.data, figure.layout, config).then(() => {
    plot.on("plotly_relayout", (change) => follow(plot, change));
  });
}

function follow(plot, change) {
  if (following) return;
  if (change["xaxis.autorange"]) zoom(whole);
  else if ("xaxis.range[0]" in change) zoom([change["xaxis.range[0]"], change["xaxis.range[1]"]]);
}

async function zoom(to) {
  range = to.slice();
  following = true;
  try {
    for (const plot of drawn) await Plotly.relayout(plot, { "xaxis.range": range.slice() });
  } finally {
    following = false;
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting && !drawn.has(entry.target)) show(entry.target);
  }
}, { rootMargin: "400px" });
plots.forEach((plot) => watcher.observe(plot));

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-from]");
  if (link) {
    const from = Number(link.dataset.from), to = Number(link.dataset.to);
    const margin = Math.max(to - from, (whole[1] - whole[0]) / 100, 1);
    zoom([from - margin, to + margin]);
  }
});
document.getElementById("reset").addEventListener("click", () => whole && zoom(whole));

function repaint() { for (const plot of drawn) show(plot); }
"""
)
