// The table and the histogram of `s9ws bench`, for terminals of 80 columns.

import type { WayName } from './bench-ways';
import { type Distribution, SHARES } from './distribution';
import type { Paint } from './paint';

/** The round trips of one way. */
export interface Measured {
  readonly way: WayName;
  readonly times: Distribution;
}

const NAME_WIDTH = 23;
const NUMBER_WIDTH = 8;
const BARS = ' ▁▂▃▄▅▆▇█';
const COLUMNS = 56;

/** A row a way, with its median's ratio to that of `ws`, where that was measured. */
export function table(measured: readonly Measured[], paint: Paint): string[] {
  const reference = measured.find(({ way }) => way === 'ws')?.times.at(0.5);
  const heads = ['count', ...SHARES.map(([name]) => name), ...(reference ? ['÷ ws'] : [])];
  const rows = measured.map(({ way, times }) => {
    const cells = [String(times.count), ...SHARES.map(([, share]) => shown(times.at(share)))];
    const row = way.padEnd(NAME_WIDTH) + cells.map(right).join('');
    if (!reference) return row;
    const ratio = times.at(0.5) / reference;
    const cell = right(ratio.toFixed(2));
    return row + (ratio < 0.995 ? paint('green', cell) : cell);
  });
  return [paint('dim', 'µs'.padEnd(NAME_WIDTH) + heads.map(right).join('')), ...rows];
}

/** A line a way over one logarithmic scale. */
export function histogram(measured: readonly Measured[], paint: Paint): string[] {
  const least = Math.min(...measured.map(({ times }) => times.at(0))) / 1.1;
  const most = Math.max(...measured.map(({ times }) => times.at(0.999))) * 1.1;
  const rows = measured.map(({ way, times }) => {
    const counts = times.histogram(least, most, COLUMNS);
    const highest = Math.max(...counts);
    // The lowest bar is for a single one already: a rare one is not to be overlooked.
    const bar = (count: number) =>
      BARS[count === 0 ? 0 : 1 + Math.floor((count / highest) * (BARS.length - 2))];
    const bars = counts.map(bar).join('');
    return way.padEnd(NAME_WIDTH) + paint(way === 'ws' ? 'yellow' : 'cyan', bars);
  });
  return [...rows, paint('dim', ' '.repeat(NAME_WIDTH) + scale(least, most))];
}

/** Numbers below the columns at which they stand. */
function scale(least: number, most: number): string {
  const steps = 4;
  let line = '';
  for (let step = 0; step <= steps; step++) {
    const number = shown(least * (most / least) ** (step / steps));
    const column = Math.round((step / steps) * COLUMNS);
    const start = step === steps ? column - number.length : column;
    line = line.padEnd(start) + number;
  }
  return line;
}

const right = (cell: string) => cell.padStart(NUMBER_WIDTH);

/** One decimal where it says something. */
const shown = (number: number) => number.toFixed(number < 1000 ? 1 : 0);
