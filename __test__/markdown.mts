// Reads the project's Markdown pages: code blocks and tables, as far as the tests need them.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository, seen from the compiled tests. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A fenced code block. */
export interface Block {
  /** Page and line, for messages: `README.md:30`. */
  readonly place: string;
  /** The words after the fence: the language first. */
  readonly info: readonly string[];
  readonly code: string;
  /** The block that follows with nothing but blank lines between. */
  next?: Block;
}

/** Every page that people read, by its path. */
export const pages: ReadonlyMap<string, string> = new Map(
  [
    ...[
      'README.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      'AGENTS.md',
      'llms.txt',
      'examples/README.md',
      'crates/core/README.md',
    ],
    ...markdownIn('docs'),
  ].map(path => [path, readFileSync(join(root, path), 'utf8')]),
);

function markdownIn(folder: string): string[] {
  const names = readdirSync(join(root, folder)).filter(name => name.endsWith('.md'));
  return names.sort().map(name => `${folder}/${name}`);
}

/** The code blocks of all pages. */
export function blocks(): Block[] {
  return [...pages].flatMap(([page, text]) => blocksOf(page, text));
}

function blocksOf(page: string, text: string): Block[] {
  const found: Block[] = [];
  let open: { info: string[]; line: number; lines: string[] } | undefined;
  /** The block that was closed with only blank lines since. */
  let previous: Block | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (!line.startsWith('```')) {
      if (open) open.lines.push(line);
      else if (line.trim() !== '') previous = undefined;
    } else if (!open) {
      open = { info: line.slice(3).trim().split(/\s+/), line: index + 1, lines: [] };
    } else {
      const block: Block = {
        place: `${page}:${open.line}`,
        info: open.info,
        code: `${open.lines.join('\n')}\n`,
      };
      if (previous) previous.next = block;
      found.push(block);
      previous = block;
      open = undefined;
    }
  }
  if (open) throw new Error(`${page}:${open.line}: a code block is never closed`);
  return found;
}

/** The rows of all tables of a page whose first heading cell is `heading`, as cells by heading. */
export function tableRows(page: string, heading: string): Array<Record<string, string>> {
  const rows: Array<Record<string, string>> = [];
  let headings: string[] | undefined;
  for (const line of (pages.get(page) ?? '').split('\n')) {
    if (!line.startsWith('|')) {
      headings = undefined;
      continue;
    }
    const cells = line.split(/(?<!\\)\|/).slice(1, -1);
    const trimmed = cells.map(cell => cell.trim().replaceAll('\\|', '|'));
    if (!headings) headings = trimmed;
    else if (headings[0] === heading && !/^:?-+:?$/.test(trimmed[0] ?? '')) {
      if (trimmed.length !== headings.length) throw new Error(`${page}: broken row: ${line}`);
      const named = headings.map((name, index) => [name, trimmed[index] ?? ''] as const);
      rows.push(Object.fromEntries(named));
    }
  }
  return rows;
}

/** What a text has in backquotes. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(match => match[1] ?? '');
}
