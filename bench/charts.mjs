// Draws the charts of the README from the published results. Nothing but SVG of rectangles, lines and text, in
// colours that can be read on light and on dark.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { NAMES } from './names.mjs';
import { here } from './peers.mjs';

const WIDTH = 900;
const ROW = 24;
/** Where the names of clients end. */
const NAMES_END = 215;
const TOP = 64;
const COLOURS = { s9: '#2f81f7', floor: '#3fb950', peer: '#8b949e', text: '#757f8a' };

const colourOf = name =>
  name.startsWith('s9') ? COLOURS.s9 : name.startsWith('floor') ? COLOURS.floor : COLOURS.peer;
const nameOf = name => NAMES[name].replaceAll('`', '');

/** Draws what there are results for. */
export function drawCharts() {
  const folder = join(dirname(here), 'docs', 'charts');
  mkdirSync(folder, { recursive: true });
  const draw = (name, svg) => writeFileSync(join(folder, `${name}.svg`), svg);
  const rtt = results('rtt')?.[0];
  if (rtt) draw('round-trip', roundTrips(rtt));
  const receive = results('receive')?.filter(({ title }) => /ASCII text, ws:/.test(title));
  if (receive?.length > 0) draw('receive', receives(receive));
}

function results(name) {
  const path = join(here, 'results', `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path)).results : undefined;
}

/** A row a client: a line from p50 to p99.9 on a logarithmic axis, with a mark at p90 and at p99. */
function roundTrips({ title, clients }) {
  const rows = Object.entries(clients).sort(([, a], [, b]) => a.p50 - b.p50);
  const all = rows.flatMap(([, figures]) => [figures.p50, figures['p99.9']]);
  const [least, most] = [Math.min(...all) * 0.8, Math.max(...all) * 1.15];
  const x = value =>
    NAMES_END + ((WIDTH - NAMES_END - 20) * Math.log(value / least)) / Math.log(most / least);
  const bottom = TOP + rows.length * ROW;
  const ticks = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].filter(
    tick => tick > least && tick < most,
  );
  const parts = [
    text(0, 40, '● p50 · | p90 · | p99 · ○ p99.9'),
    ...ticks.flatMap(tick => [
      line(x(tick), TOP - 4, x(tick), bottom, COLOURS.peer, 0.5, 0.35),
      text(x(tick), bottom + 18, tick, 'middle'),
    ]),
  ];
  for (const [index, [name, figures]] of rows.entries()) {
    const [y, colour] = [TOP + (index + 0.5) * ROW, colourOf(name)];
    const mark = share => line(x(figures[share]), y - 6, x(figures[share]), y + 6, colour, 2);
    parts.push(
      label(name, y),
      line(x(figures.p50), y, x(figures['p99.9']), y, colour, 3, 0.45),
      mark('p90'),
      mark('p99'),
      `<circle cx="${at(x(figures['p99.9']))}" cy="${y}" r="3.5" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      `<circle cx="${at(x(figures.p50))}" cy="${y}" r="5" fill="${colour}"/>`,
      text(x(figures.p50) - 9, y + 4, figures.p50.toFixed(1), 'end'),
    );
  }
  return svg(title.replace('text, ws://', 'messages, µs'), bottom + 30, parts);
}

/** A panel a size, each with a scale of its own; a row a client, with its multiple of `ws`. */
function receives(tables) {
  // The floor looks at headers alone: beside it, bars of small messages would be specks.
  const names = Object.keys(tables[0].clients).filter(name => !name.startsWith('floor'));
  const bottom = TOP + names.length * ROW;
  const panel = (WIDTH - NAMES_END) / tables.length;
  const parts = names.map((name, index) => label(name, TOP + (index + 0.5) * ROW));
  for (const [index, { title, clients }] of tables.entries()) {
    const left = NAMES_END + index * panel;
    const most = Math.max(...names.map(name => clients[name]?.perSecond ?? 0));
    parts.push(text(left, TOP - 8, title.split(', ')[1].replace(' ASCII text', ''), 'start', true));
    for (const [row, name] of names.entries()) {
      const figures = clients[name];
      if (!figures) continue;
      const y = TOP + row * ROW;
      const length = (panel - 108) * (figures.perSecond / most);
      const times = (figures.perSecond / clients.ws.perSecond).toFixed(1);
      parts.push(
        `<rect x="${at(left)}" y="${y + 4}" width="${at(length)}" height="${ROW - 8}" rx="2" fill="${colourOf(name)}"/>`,
        text(left + length + 6, y + 16, `${short(figures.perSecond)}  ${times}×`),
      );
    }
  }
  return svg('receive, ASCII text, messages a second and multiples of ws', bottom + 12, parts);
}

const at = value => value.toFixed(1);
const short = value =>
  value >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : `${(value / 1e3).toFixed(0)} k`;

function label(name, y) {
  return text(NAMES_END - 12, y + 4, nameOf(name), 'end', name.startsWith('s9'));
}

function text(x, y, content, anchor = 'start', bold = false) {
  const weight = bold ? ' font-weight="600"' : '';
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${weight}>${content}</text>`;
}

function line(x1, y1, x2, y2, colour, width, opacity = 1) {
  return `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" stroke="${colour}" stroke-width="${width}" opacity="${opacity}"/>`;
}

function svg(title, height, parts) {
  const font = 'font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="12"';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ${font} fill="${COLOURS.text}">`,
    `<title>${title}</title>`,
    text(0, 20, title, 'start', true),
    ...parts,
    '</svg>\n',
  ].join('\n');
}
