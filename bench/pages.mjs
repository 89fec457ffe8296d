// The tables of README.md and docs/performance.md that are made of the published results. What the text around
// them says of the same results is written by hand.

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { NAMES } from './names.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** Clients that cannot hold sends back: theirs are sent one by one. */
const WITHOUT_CORK = ['s9 async', 'undici', 'Bun', 'Deno'];

const SIZES = ['64 B', '1 KiB', '16 KiB'];
const KINDS = { ASCII: 'ASCII text', '€': 'text with €', binary: 'binary' };
const TWO = ', client on both processors, server sleeping';

const published = name => JSON.parse(readFileSync(join(here, 'results', `${name}.json`)));
const grouped = number => String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, ',');
const microseconds = value => (value < 100 ? value.toFixed(1) : grouped(value));
const thousands = value => grouped(value / 1e3);

/** The tables: the page, the heading of the first column, and all rows, the headings first. */
export function tables() {
  const { machine, results } = published('rtt');
  const of = title => found([...results, ...published('receive').results], title);
  const roundTrips = ['ws', 'wss'].flatMap(scheme =>
    [...SIZES, '64 KiB'].map(size => [
      `${size}${scheme === 'ws' ? '' : ', TLS'}`,
      of(`round trip, ${size} text, ${scheme}://`),
    ]),
  );
  const received = scheme =>
    Object.entries(KINDS).flatMap(([short, kind]) =>
      SIZES.map(size => [`${short}, ${size}`, of(`receive, ${size} ${kind}, ${scheme}://`)]),
    );
  const onTwo = [
    ['round trip of 64 B', of(`round trip, 64 B text, ws://${TWO}`)],
    ...SIZES.map(size => [`binary, ${size}`, of(`receive, ${size} binary, ws://${TWO}`)]),
  ];
  const page = 'docs/performance.md';
  return [
    { page: 'README.md', rows: inShort(machine, of) },
    { page, rows: rowsOf('round trip, p50 in µs', roundTrips) },
    { page, rows: rowsOf('two processors: µs, and 1,000 a second', onTwo) },
    { page, rows: rowsOf('received, 1,000 a second', received('ws')) },
    { page, rows: rowsOf('received over TLS, 1,000 a second', received('wss')) },
  ];
}

/** Writes the tables in place of those with the same first heading. */
export function writeTables() {
  for (const { page, rows } of tables()) {
    const path = join(dirname(here), page);
    const lines = readFileSync(path, 'utf8').split('\n');
    const isOf = line => line.startsWith(`| ${rows[0][0]} `);
    const start = lines.findIndex(isOf);
    if (start < 0) throw new Error(`${page} has no table of ${rows[0][0]}`);
    let end = start;
    while (lines[end].startsWith('|')) end++;
    lines.splice(start, end - start, ...aligned(rows));
    writeFileSync(path, lines.join('\n'));
  }
}

function inShort(machine, of) {
  const trips = of('round trip, 64 B text, ws://').clients;
  const [text, binary] = ['ASCII text', 'binary'].map(
    kind => of(`receive, 64 B ${kind}, ws://`).clients,
  );
  const [single, corked] = published('send').results.map(({ clients }) => clients);
  const version = name => /\d+\.\d+/.exec(machine.versions[name.toLowerCase()] ?? '')?.[0];
  const millions = figures => (figures.perSecond / 1e6).toFixed(1);
  const shown = Object.keys(trips).filter(name => name !== 's9 run, waiting');
  const rows = shown
    .sort((one, other) => trips[one].p50 - trips[other].p50)
    .map(name => [
      [NAMES[name], version(name)].filter(Boolean).join(' '),
      microseconds(trips[name].p50),
      (trips[name].p50 / trips.ws.p50).toFixed(2),
      microseconds(trips[name].p99),
      ...(name.startsWith('floor')
        ? ['', '', '', '']
        : [
            millions(text[name]),
            millions(binary[name]),
            thousands(single[name].perSecond),
            WITHOUT_CORK.includes(name) ? '–' : thousands(corked[name].perSecond),
          ]),
    ]);
  const units = [
    'p50, µs',
    '÷ `ws`',
    'p99, µs',
    'text, M/s',
    'binary, M/s',
    'send, k/s',
    'corked, k/s',
  ];
  return [['64 bytes', ...units], ...rows];
}

/** A row for each client that was measured in any of these columns. */
function rowsOf(heading, columns) {
  const cells = name =>
    columns.map(([, { clients }]) => {
      const { p50, perSecond } = clients[name] ?? {};
      if (p50 !== undefined) return microseconds(p50);
      return perSecond === undefined ? '' : thousands(perSecond);
    });
  const names = Object.keys(NAMES).filter(name =>
    columns.some(([, { clients }]) => name in clients),
  );
  const headings = [heading, ...columns.map(([title]) => title)];
  return [headings, ...names.map(name => [NAMES[name], ...cells(name)])];
}

function found(results, title) {
  const result = results.find(result => result.title === title);
  if (!result) throw new Error(`there are no results of ${title}`);
  return result;
}

function aligned([headings, ...rows]) {
  const widths = headings.map((_, column) =>
    Math.max(3, ...[headings, ...rows].map(row => row[column].length)),
  );
  const line = cells => `| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [line(headings), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)];
}
