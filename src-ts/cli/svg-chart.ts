// Draws the percentiles of round trips as an SVG: a line a way.

import type { Measured } from './bench-report';

const WIDTH = 900;
const HEIGHT = 440;
const PLOT = { left: 64, right: 640, top: 56, bottom: 392 };

/** From the median on, ever finer: each step leaves a smaller share out. */
const TICKS = [
  ['50 %', 0.5],
  ['90 %', 0.9],
  ['99 %', 0.99],
  ['99.9 %', 0.999],
  ['99.99 %', 0.9999],
] as const;
const POINTS = 120;

/** Told apart by people who do not see all colours (Okabe and Ito). */
const COLOURS = ['#0072b2', '#56b4e9', '#009e73', '#e69f00', '#cc79a7', '#d55e00'];

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #333 }
  .title { font-size: 16px; font-weight: 600 }
  .back { fill: #fff } .grid { stroke: #ddd }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    text { fill: #ccc } .back { fill: #16181c } .grid { stroke: #33373d }
  }`;

export function drawChart(title: string, measured: readonly Measured[]): string {
  const most = Math.max(...measured.map(({ times }) => times.at(0.9999)));
  const least = Math.min(...measured.map(({ times }) => times.at(0.5)));
  const [low, high] = [least / 1.3, most * 1.1];
  const y = (time: number) =>
    PLOT.bottom - (Math.log(time / low) / Math.log(high / low)) * (PLOT.bottom - PLOT.top);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${PLOT.left}" y="28">${escaped(title)}</text>`,
    ...TICKS.flatMap(([name, share]) => [
      line(x(share), PLOT.top, x(share), PLOT.bottom),
      text(x(share), PLOT.bottom + 20, 'middle', name),
    ]),
    ...decades(low, high).flatMap(time => [
      line(PLOT.left, y(time), PLOT.right, y(time)),
      text(PLOT.left - 8, y(time) + 4, 'end', String(time)),
    ]),
    text(PLOT.left - 8, PLOT.top - 12, 'end', 'µs'),
    text(PLOT.right + 16, PLOT.top - 12, 'start', 'median, µs'),
    ...measured.flatMap(({ way, times }, index) => {
      const colour = COLOURS[index % COLOURS.length];
      const points = shares().map(share => `${fixed(x(share))},${fixed(y(times.at(share)))}`);
      const dash = way === 'ws' ? ' stroke-dasharray="6 4"' : '';
      const row = PLOT.top + 12 + index * 24;
      return [
        `<polyline class="line" stroke="${colour}"${dash} points="${points.join(' ')}"/>`,
        `<path class="line" stroke="${colour}"${dash} d="M${PLOT.right + 16},${row - 4}h20"/>`,
        text(PLOT.right + 44, row, 'start', `${way}: ${times.at(0.5).toFixed(1)}`),
      ];
    }),
    '</svg>\n',
  ].join('\n');
}

/** Where a share stands: as far to the right as it has nines. */
function x(share: number): number {
  const [, last] = TICKS[TICKS.length - 1] as (typeof TICKS)[number];
  const nines = (of: number) => Math.log((1 - 0.5) / (1 - of));
  return PLOT.left + (nines(share) / nines(last)) * (PLOT.right - PLOT.left);
}

function shares(): number[] {
  const steps = Array.from({ length: POINTS + 1 }, (_, step) => step / POINTS);
  return steps.map(step => 1 - 0.5 * (0.0001 / 0.5) ** step);
}

/** 1, 2 and 5 of each power of ten between two times. */
function decades(low: number, high: number): number[] {
  const found: number[] = [];
  for (let power = -2; power <= 9; power++) {
    for (const digit of [1, 2, 5]) {
      const time = Number(`${digit}e${power}`);
      if (time >= low && time <= high) found.push(time);
    }
  }
  return found;
}

const fixed = (number: number) => number.toFixed(1);

const line = (x1: number, y1: number, x2: number, y2: number) =>
  `<path class="grid" d="M${fixed(x1)},${fixed(y1)}L${fixed(x2)},${fixed(y2)}"/>`;

const text = (x: number, y: number, anchor: string, content: string) =>
  `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;

/** A URL may hold all of them. */
function escaped(content: string): string {
  return content.replace(/[&<>]/g, found => `&#${found.charCodeAt(0)};`);
}
