// Draws the charts of the README from the results that are there.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { here } from './peers.mjs';

export async function drawCharts() {
  const echarts = await import('echarts');
  mkdirSync(join(here, 'charts'), { recursive: true });
  const draw = (name, option) => {
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 760, height: 420 });
    chart.setOption({ animation: false, backgroundColor: '#fff', ...option });
    writeFileSync(join(here, 'charts', `${name}.svg`), `${chart.renderToSVGString()}\n`);
    chart.dispose();
  };
  const rtt = results('rtt')?.[0];
  if (rtt) draw('round-trip', roundTrips(rtt));
  const receive = results('receive');
  if (receive) draw('receive', receives(receive));
}

function results(name) {
  const path = join(here, 'results', `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path)).results : undefined;
}

const SHARES = ['p50', 'p90', 'p99', 'p99.9'];

/** A line a client over the percentiles. */
function roundTrips({ title, clients }) {
  const series = Object.entries(clients).map(([name, figures]) => ({
    name,
    type: 'line',
    data: SHARES.map(share => Number(figures[share].toFixed(2))),
    lineStyle: name.startsWith('s9') ? { width: 3 } : { width: 1.5, type: 'dashed' },
  }));
  return {
    title: { text: `${title}, µs`, left: 'center' },
    legend: { bottom: 0 },
    grid: { top: 50, bottom: 90, left: 60, right: 20 },
    xAxis: { type: 'category', data: SHARES },
    yAxis: { type: 'log', min: 4 },
    series,
  };
}

/** A group of bars a size, binary messages over ws://, in multiples of `ws`. */
function receives(all) {
  const shown = all.filter(({ title }) => /binary, ws:/.test(title));
  const names = ['s9 run', 's9 runSync', 's9 thread', 's9 async', 'ws', 'undici', 'Bun', 'Deno'];
  const times = (clients, name) =>
    clients[name] ? Number((clients[name].perSecond / clients.ws.perSecond).toFixed(2)) : null;
  return {
    title: { text: 'receive, binary, ws://, messages a second ÷ ws', left: 'center' },
    legend: { bottom: 0 },
    grid: { top: 50, bottom: 70, left: 50, right: 20 },
    xAxis: { type: 'category', data: shown.map(({ title }) => title.split(', ')[1]) },
    yAxis: { type: 'value' },
    series: names.map(name => ({
      name,
      type: 'bar',
      data: shown.map(({ clients }) => times(clients, name)),
    })),
  };
}
