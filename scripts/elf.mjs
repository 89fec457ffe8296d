// What a Linux addon asks of glibc, read from its ELF file.

import { readFileSync } from 'node:fs';

/** SHT_GNU_verneed: the versions of the symbols that a file needs of its libraries. */
const VERSIONS_NEEDED = 0x6ffffffe;

/** The newest glibc version that a 64-bit little-endian file needs, as in `2.17`; undefined for none. */
export function newestGlibc(path) {
  const versions = versionsNeeded(readFileSync(path))
    .filter(version => /^GLIBC_[\d.]+$/.test(version))
    .map(version => version.slice('GLIBC_'.length));
  return versions.sort(byVersion).at(-1);
}

/** Below 0 where `one` is older than `other`. */
export function byVersion(one, other) {
  const [a, b] = [one, other].map(version => version.split('.').map(Number));
  return a[0] - b[0] || a[1] - b[1] || (a[2] ?? 0) - (b[2] ?? 0);
}

function versionsNeeded(file) {
  if (file.readUInt32BE(0) !== 0x7f454c46) throw new Error('this is no ELF file');
  const sections = sectionsOf(file);
  return sections
    .filter(({ type }) => type === VERSIONS_NEEDED)
    .flatMap(section => auxiliaryNames(file, section, sections[section.link]));
}

/** Each of the chained entries, one a library, has a chain of its own of version names. */
function auxiliaryNames(file, { offset, count }, strings) {
  const names = [];
  for (let entry = offset, left = count; left > 0; left--) {
    let auxiliary = entry + file.readUInt32LE(entry + 8);
    for (let more = file.readUInt16LE(entry + 2); more > 0; more--) {
      const at = strings.offset + file.readUInt32LE(auxiliary + 8);
      names.push(file.toString('latin1', at, file.indexOf(0, at)));
      auxiliary += file.readUInt32LE(auxiliary + 12);
    }
    entry += file.readUInt32LE(entry + 12);
  }
  return names;
}

function sectionsOf(file) {
  const headers = Number(file.readBigUInt64LE(0x28));
  const [size, count] = [file.readUInt16LE(0x3a), file.readUInt16LE(0x3c)];
  return Array.from({ length: count }, (_, index) => {
    const header = headers + index * size;
    return {
      type: file.readUInt32LE(header + 4),
      offset: Number(file.readBigUInt64LE(header + 0x18)),
      link: file.readUInt32LE(header + 0x28),
      // Of version sections, the number of entries.
      count: file.readUInt32LE(header + 0x2c),
    };
  });
}
