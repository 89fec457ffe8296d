// Prints a comparison as a table: a row a client, with ratios to the clients of reference.

const COLUMNS = {
  p50: ['p50', 2],
  p90: ['p90', 2],
  p99: ['p99', 2],
  'p99.9': ['p99.9', 1],
  max: ['max', 0],
  perSecond: ['messages/s', 0],
  megabytesPerSecond: ['MB/s', 0],
  cpuPerMessage: ['CPU µs/message', 2],
  bytesSent: ['bytes/frame', 0],
  rss: ['MB resident', 0],
};

/** The figure that ratios are made of, and whether less is better. */
export function leading(figures) {
  return 'p50' in figures ? 'p50' : 'perSecond';
}

export function printScenario({ title, unit, reference, clients }) {
  console.log(`\n${title}${unit ? `, ${unit}` : ''}`);
  const rows = Object.entries(clients);
  if (rows.length === 0) return;
  const shown = Object.keys(COLUMNS).filter(name => rows.some(([, figures]) => name in figures));
  const references = reference.filter(name => name in clients);
  const table = [
    ['', ...shown.map(name => COLUMNS[name][0]), ...references.map(name => `÷ ${name}`)],
    ...rows.map(([name, figures]) => [
      name,
      ...shown.map(column => formatted(column, figures[column])),
      ...references.map(to => ratio(figures, clients[to])),
    ]),
  ];
  const widths = table[0].map((_, column) => Math.max(...table.map(row => row[column].length)));
  for (const row of table) {
    const [name, ...cells] = row;
    const padded = cells.map((cell, index) => cell.padStart(widths[index + 1]));
    console.log([name.padEnd(widths[0]), ...padded].join('  '));
  }
}

function formatted(column, value) {
  if (value === undefined) return '';
  const scaled = column === 'rss' ? value / 1e6 : value;
  const text = scaled.toFixed(COLUMNS[column][1]);
  return text.replace(/\B(?=(\d{3})+(?!\d))/g, ' ');
}

function ratio(figures, reference) {
  const name = leading(reference);
  return figures[name] === undefined ? '' : (figures[name] / reference[name]).toFixed(2);
}
