// Header fields by name.

/** Header fields received, by name in lower case; one that came more than once is an array. */
export type ResponseHeaders = Record<string, string | string[]>;

/** Folds pairs into a record. */
export function headerRecord(pairs: Iterable<readonly string[]>): ResponseHeaders {
  const byName = new Map<string, string | string[]>();
  for (const [name = '', value = ''] of pairs) {
    const earlier = byName.get(name);
    if (earlier === undefined) byName.set(name, value);
    else if (Array.isArray(earlier)) earlier.push(value);
    else byName.set(name, [earlier, value]);
  }
  // Defines own properties: a header named `__proto__` stays a header.
  return Object.fromEntries(byName);
}
