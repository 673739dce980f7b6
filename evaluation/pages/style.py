"""The style sheet of the page, for light and dark."""

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f9; --ink: #1c1e21; --soft: #5b6168; --rule: #d9dde2;
  --grid: #e6e9ed; --link: #005a9c;
  --c0: #0072B2; --c1: #009E73; --c2: #B5548B; --c3: #777777;
  --c4: #7a5c00; --c5: #2b2f7f; --c6: #8a3d00; --c7: #00696b; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) {
  --paper: #15181c; --card: #1e2227; --ink: #e8eaed; --soft: #a2a9b1; --rule: #3a4047;
  --grid: #2c3138; --link: #7cc4ff;
  --c0: #56B4E9; --c1: #2fc79a; --c2: #e29cc3; --c3: #a8a8a8;
  --c4: #d9b95c; --c5: #9ea3f5; --c6: #e0935a; --c7: #5fc3c5; } }
:root[data-theme=dark] { color-scheme: dark;
  --paper: #15181c; --card: #1e2227; --ink: #e8eaed; --soft: #a2a9b1; --rule: #3a4047;
  --grid: #2c3138; --link: #7cc4ff;
  --c0: #56B4E9; --c1: #2fc79a; --c2: #e29cc3; --c3: #a8a8a8;
  --c4: #d9b95c; --c5: #9ea3f5; --c6: #e0935a; --c7: #5fc3c5; }
:root[data-theme=light] { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 32px 64px; max-width: 1500px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 36px 0 8px; }
h3 { font-size: 16px; margin: 0 0 6px; overflow-wrap: anywhere; }
p { margin: 4px 0; color: var(--soft); }
a { color: var(--link); }
header { display: flex; justify-content: space-between; gap: 16px; align-items: start; }
button { font: inherit; color: var(--ink); background: var(--card); cursor: pointer;
  border: 1px solid var(--rule); border-radius: 6px; padding: 4px 12px; white-space: nowrap; }
button:hover { border-color: var(--soft); }
.tables { display: flex; flex-wrap: wrap; gap: 20px; margin-top: 16px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 12px 16px; max-width: 100%; }
.scroll { overflow-x: auto; }
.tall { max-height: 520px; overflow: auto; }
table { border-collapse: collapse; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: 4px 18px 4px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
td { overflow-wrap: break-word; max-width: 44em; }
.wrap { overflow-wrap: anywhere; min-width: 8em; }
.tall thead th { position: sticky; top: 0; background: var(--card); }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.reason { overflow-wrap: anywhere; min-width: 16em; }
.level { white-space: nowrap; margin-right: 14px; }
.level::before { content: ""; display: inline-block; width: 11px; height: 11px; margin-right: 7px;
  border: 1px solid var(--ink); border-radius: 2px; background: var(--level); }
.plot { min-height: 640px; margin-top: 6px; }
.series { margin-top: 24px; scroll-margin-top: 8px; }
.controls { display: flex; gap: 10px; align-items: center; flex-wrap: wrap; margin: 8px 0; }
.causes { display: grid; gap: 12px 28px; margin-top: 10px;
  grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); }
.causes ul { list-style: none; margin: 2px 0 0; padding: 0; font-size: 14px; }
.causes li { overflow-wrap: anywhere; }
.share { display: inline-block; width: 90px; height: 9px; margin-right: 8px;
  background: linear-gradient(to right, var(--c0) var(--share), var(--rule) var(--share)); }
.beside .share { background:
  linear-gradient(to right, var(--c1) var(--share), var(--rule) var(--share)); }
noscript p { color: var(--ink); font-weight: 600; }
"""
