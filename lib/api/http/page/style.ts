/** How the page looks, by day and by night. Pure text. */
export const STYLE = `:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1c2422; --soft: #5f6d69; --line: #dfe5e2;
  --accent: #0f766e; --accent-soft: #d7f3ee; --good: #15803d; --bad: #b91c1c; --old: #92400e;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1514; --card: #161f1d; --ink: #e4ebe8; --soft: #93a39e; --line: #26332f;
    --accent: #5eead4; --accent-soft: #12352f; --good: #4ade80; --bad: #f87171; --old: #fbbf24;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 3px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .5rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; padding: .75rem max(1rem, calc((100vw - 72rem) / 2)); background: var(--card); border-bottom: 1px solid var(--line); }
.brand { display: flex; gap: .6rem; align-items: center; font-weight: 650; font-size: 1.05rem; color: var(--ink); text-decoration: none; letter-spacing: -.01em; }
nav { display: flex; flex-wrap: wrap; gap: .25rem; }
nav a { padding: .3rem .7rem; border-radius: 99px; color: var(--soft); text-decoration: none; }
nav a:hover { color: var(--ink); }
nav a[aria-current] { background: var(--accent-soft); color: var(--accent); font-weight: 600; }
form[role=search] { display: flex; gap: .4rem; flex: 1 1 18rem; justify-content: flex-end; }
input, button { font: inherit; border-radius: 8px; border: 1px solid var(--line); padding: .4rem .75rem; background: var(--card); color: var(--ink); }
input[type=search] { flex: 1; max-width: 26rem; min-width: 0; background: var(--paper); }
button { cursor: pointer; border-color: var(--accent); color: var(--accent); font-weight: 600; }
button:hover { background: var(--accent-soft); }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
footer { max-width: 72rem; margin: 0 auto; padding: 1rem; color: var(--soft); font-size: .875rem; border-top: 1px solid var(--line); }
footer a { margin-left: 1rem; }
h1 { font-size: 1.6rem; letter-spacing: -.02em; line-height: 1.2; margin: .25rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(11rem, 100%), 1fr)); gap: .75rem; margin: 0; }
.figures div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: .9rem 1.1rem; }
.figures dt { color: var(--soft); font-size: .85rem; }
.figures dd { margin: .1rem 0 0; font-size: 1.5rem; font-weight: 650; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.figures small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); letter-spacing: 0; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .5rem .9rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
tbody tr:hover { background: color-mix(in srgb, var(--accent-soft) 35%, transparent); }
th { font-size: .8rem; font-weight: 600; color: var(--soft); white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
td time, time { white-space: nowrap; color: var(--soft); font-size: .875rem; }
.digest, code { font-family: var(--mono); font-size: .875rem; overflow-wrap: anywhere; }
td .digest { white-space: nowrap; }
.nothing { color: var(--soft); background: var(--card); border: 1px dashed var(--line); border-radius: 12px; padding: 1.2rem; }
.state { font-size: .8rem; font-weight: 600; padding: .1rem .55rem; border-radius: 99px; border: 1px solid currentColor; }
.live { color: var(--good); } .corrupt { color: var(--bad); } .tombstoned, .deleted { color: var(--old); }
.digests { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); margin: 1rem 0; }
.digests h3 { margin: 0 0 .5rem; font-size: .85rem; color: var(--soft); }
.fingerprint { display: block; width: 100%; height: 3rem; margin-bottom: .5rem; }
.actions { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: 1rem 0; }
.button { border: 1px solid var(--accent); border-radius: 8px; padding: .4rem .75rem; font-weight: 600; text-decoration: none; }
.story { list-style: none; margin: 0; padding: 0 0 0 1.1rem; border-left: 2px solid var(--line); }
.story li { position: relative; padding: .35rem 0; overflow-wrap: anywhere; }
.story li::before { content: ""; position: absolute; left: -1.5rem; top: .8rem; width: .65rem; height: .65rem; border-radius: 50%; background: var(--accent); border: 2px solid var(--paper); }
.story time { display: block; }
.kind { font-family: var(--mono); font-size: .85rem; white-space: nowrap; }
.crumbs { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.watching { color: var(--soft); font-size: .85rem; font-weight: 400; margin-left: .75rem; }
.watching.on::before { content: ""; display: inline-block; width: .55rem; height: .55rem; margin-right: .4rem; border-radius: 50%; background: var(--good); }
.fresh { animation: fresh 2.5s ease-out; }
@keyframes fresh { from { background: var(--accent-soft); } }
@media (prefers-reduced-motion: reduce) { .fresh { animation: none; } }
.problem { border-left: 4px solid var(--bad); }
`;
