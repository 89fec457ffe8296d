// The tables of figures in README.md and docs/performance.md are those of bench/results.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import test from 'ava';

import { root, tableRows } from './markdown.mjs';

/** A table as the benchmark's module makes it, the headings first. */
interface Table {
  readonly page: string;
  readonly rows: ReadonlyArray<readonly string[]>;
}
const { tables } = (await import(pathToFileURL(join(root, 'bench', 'pages.mjs')).href)) as {
  tables(): Table[];
};

for (const { page, rows } of tables()) {
  const [headings = [], ...others] = rows;
  test(`the table “${headings[0]}” of ${page} has the published figures`, t => {
    const named = others.map(cells =>
      Object.fromEntries(headings.map((heading, at) => [heading, cells[at]])),
    );
    t.deepEqual(tableRows(page, headings[0] ?? ''), named, '`npm run bench -- --charts` writes it');
  });
}
