// What the pages point to exists: links, and file names in backquotes.

import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import test from 'ava';

import { pages, quoted, root } from './markdown.mjs';

const FOLDERS = [
  'bench',
  'conformance',
  'crates',
  'src',
  'src-ts',
  '__test__',
  'runtimes',
  'scripts',
  'demo',
  'docs',
  'examples',
  'npm',
];

/**
 * Names of files at any depth. Not with `recursive`: on Node 20 that follows links, and the benchmark's
 * `node_modules` has one to the repository.
 */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    if (!entry.isDirectory()) return [entry.name];
    return entry.name === 'node_modules' ? [] : filesIn(join(folder, entry.name));
  });
}

test('every_relative_link_leads_to_a_file', t => {
  let checked = 0;
  for (const [page, text] of pages) {
    for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', heading] = target.split('#');
      t.true(existsSync(join(root, dirname(page), path)), `${page}: ${target}`);
      t.is(heading, undefined, `${page}: ${target}: nothing checks headings`);
      checked++;
    }
  }
  t.true(checked > 0);
});

test('the_index_of_the_documentation_has_every_page', t => {
  const index = pages.get('docs/README.md') ?? '';
  const others = [...pages.keys()].filter(page => /^docs\/(?!README)/.test(page));
  t.true(others.length > 10);
  for (const page of others) t.true(index.includes(`](${basename(page)})`), page);
});

test('every_file_named_exists', t => {
  const names = new Set(FOLDERS.flatMap(folder => filesIn(join(root, folder))));
  let checked = 0;
  for (const [page, text] of pages) {
    for (const path of quoted(text).filter(word =>
      /^[\w./-]+\.(rs|m?ts|mjs|md|json)$/.test(word),
    )) {
      const isThere = ['', 'crates/core', 'crates/core/src'].some(folder =>
        existsSync(join(root, folder, path)),
      );
      t.true(isThere || (!path.includes('/') && names.has(path)), `${page}: ${path}`);
      checked++;
    }
  }
  t.true(checked > 0);
});
