// The tables of docs/reference.md, and the builders that they speak of.

import { quoted, tableRows } from './markdown.mjs';

export const PAGE = 'docs/reference.md';

/** The option methods of a builder. */
export function methodsOf(Builder: { prototype: object }): string[] {
  const methods: string[] = [];
  let prototype = Builder.prototype;
  while (prototype !== Object.prototype) {
    methods.push(...Object.getOwnPropertyNames(prototype));
    prototype = Object.getPrototypeOf(prototype);
  }
  const others = ['constructor', 'set'];
  return methods.filter(name => !others.includes(name)).sort();
}

/** The name in a row's cell of this heading. */
export const nameOf = (row: Record<string, string>, heading: string) =>
  quoted(row[heading] ?? '')[0] ?? '';

/** The names of all rows of the table whose first heading this is. */
export const names = (heading: string) => tableRows(PAGE, heading).map(row => nameOf(row, heading));
