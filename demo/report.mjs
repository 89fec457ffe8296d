// The table and the histogram that the demo prints.

const BARS = ' ▁▂▃▄▅▆▇█';
/** The histogram's range in microseconds, on a logarithmic scale. */
const [LEAST, MOST, COLUMNS] = [4, 1024, 48];

const isColoured = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const paint = (code, text) => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text);

/** One measurement, its times sorted. */
export function measurement(scheme, client, way, times) {
  return { scheme, client, way, times: Float64Array.from(times).sort() };
}

const at = (times, share) => times[Math.max(0, Math.ceil(times.length * share) - 1)];

/** Prints a row a measurement, with the median's ratio to the first one's. */
export function printTable(measurements) {
  const heads = ['p50', 'p90', 'p99', 'p99.9', 'max'];
  console.log(
    paint(1, `\n${'client'.padEnd(14)}${'way to run'.padEnd(13)}${'round trips'.padStart(11)}`) +
      paint(1, heads.map(head => head.padStart(9)).join('')) +
      paint(1, 'p50 ÷ ws'.padStart(11)),
  );
  const reference = at(measurements[0].times, 0.5);
  for (const { client, way, times } of measurements) {
    const figures = [0.5, 0.9, 0.99, 0.999, 1].map(share =>
      at(times, share).toFixed(1).padStart(9),
    );
    const ratio = at(times, 0.5) / reference;
    const row = client.padEnd(14) + way.padEnd(13) + String(times.length).padStart(11);
    console.log(row + figures.join('') + paint(ratio < 1 ? 32 : 0, ratio.toFixed(2).padStart(11)));
  }
}

/** Prints how the round trips of each measurement spread. */
export function printHistogram(measurements) {
  console.log(paint(1, '\nround trips, µs'));
  for (const { client, way, times } of measurements) {
    const counts = new Array(COLUMNS).fill(0);
    for (const time of times) {
      const place = (Math.log(time / LEAST) / Math.log(MOST / LEAST)) * COLUMNS;
      counts[Math.min(COLUMNS - 1, Math.max(0, Math.floor(place)))] += 1;
    }
    const most = Math.max(...counts);
    const bar = counts
      .map(count => BARS[count === 0 ? 0 : 1 + Math.floor((count / most) * 7)])
      .join('');
    console.log(`${`${client} ${way}`.padEnd(26)}${paint(client === 'ws' ? 33 : 36, bar)}`);
  }
  const labels = [4, 16, 64, 256, 1024].map(label => String(label).padEnd(COLUMNS / 4)).join('');
  console.log(`${''.padEnd(26)}${labels.trimEnd()}\n`);
}
