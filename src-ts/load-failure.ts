// Why the addon cannot be loaded, and what to do about it. Does not load it.

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { types } from 'node:util';

const NAME = 's9-websocket';
const OLDEST_NODE = 20;
const OLDEST_GLIBC = '2.17';

/** The platforms that addons are published for, as their packages are named. */
const PREBUILT = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-x64-msvc',
] as const;

const REINSTALL = 'Remove node_modules and install again on the machine that runs it';
const BUILD =
  'Build it from a clone of the repository: `npm run build`, with Rust, a C compiler, make and perl';

/** What the loaders of Linux, macOS and Windows say of a file that is none of theirs. */
const DAMAGED =
  /invalid ELF header|wrong ELF class|file too short|not a mach-o|not valid mach-o|file is empty|incompatible architecture|not a valid Win32/;

/** Throws where the runtime is too old, before anything fails in a way that does not say so. */
export function checkRuntime(): void {
  const major = Number.parseInt(process.versions.node, 10);
  if (major >= OLDEST_NODE) return;
  throw failure(
    `Node ${process.versions.node} is too old. Node ${OLDEST_NODE} or newer is needed.`,
  );
}

/** What to throw when the generated loader has thrown `cause`. */
export function loadFailure(cause: unknown): Error {
  const reasons = messages(cause);
  // Before anything is looked at, which Deno might not permit either.
  if (/Requires \w+ access/.test(reasons)) {
    return failure('Deno takes it with --allow-ffi, --allow-env and --allow-read.', cause);
  }
  const platform = platformName();
  const package_ = `${NAME}-${platform}`;
  const home = packageFolder();
  if (home && !existsSync(join(home, 'native', 'index.js'))) {
    return failure(
      `${join(home, 'native')} is missing: in a clone, \`npm run build\` makes it.`,
      cause,
    );
  }
  if (!PREBUILT.some(prebuilt => prebuilt === platform)) {
    return failure(`there is no prebuilt addon for ${platform}. ${BUILD}.`, cause);
  }
  if (!home) {
    return failure(
      `its code was moved into another file, from where ${package_} cannot be found: a bundler cannot ` +
        `take a native addon along. Mark \`${NAME}\` as external (esbuild: external, webpack: ` +
        'externals, Next.js: serverExternalPackages) and ship node_modules beside the bundle.',
      cause,
    );
  }
  const installed = PREBUILT.filter(prebuilt => isInstalled(`${NAME}-${prebuilt}`, home));
  const own = installed.find(prebuilt => prebuilt === platform);
  if (own) return failure(`${package_} is installed but ${why(reasons, package_)}`, cause);
  if (installed.length > 0) {
    const others = installed.map(other => `${NAME}-${other}`).join(', ');
    return failure(
      `${package_} is not installed, but ${others} is: node_modules was installed for another ` +
        `platform. ${REINSTALL}, in the image's own build for a container.`,
      cause,
    );
  }
  return failure(
    `${package_} is not installed. It is an optional dependency: install without ` +
      '--omit=optional, --no-optional or `optional=false` in a .npmrc. If that was not it, the ' +
      "lock file comes from another platform and lists only that one's packages: remove it with " +
      'node_modules and install again.',
    cause,
  );
}

/** Why the system's loader refused an addon that is there. */
function why(reasons: string, package_: string): string {
  const [, wanted, got] = /version mismatch, expected (\S+) but got (\S+)\. /.exec(reasons) ?? [];
  if (wanted) return `its version is ${got}, and ${wanted} is needed. ${REINSTALL}.`;
  const glibc = /version [`'](GLIBC_[\d.]+)' not found/.exec(reasons)?.[1];
  if (glibc) {
    const here = reportHeader()?.glibcVersionRuntime ?? 'an older one';
    return (
      `needs ${glibc.replace('_', ' ')}, and this system has ${here}. Published addons run with ` +
      `glibc ${OLDEST_GLIBC} and newer: this one was built elsewhere. ${REINSTALL}.`
    );
  }
  if (/loading addons is disabled/.test(reasons)) {
    return 'this Node takes no addons: start it without --no-addons, or with --allow-addons.';
  }
  if (DAMAGED.test(reasons)) return `its file is damaged or of another platform. ${REINSTALL}.`;
  if (new RegExp(`Cannot find (module|package) .*${package_}`).test(reasons)) {
    return (
      `its ${NAME}.*.node file is missing: something that copies node_modules left it out. Have it ` +
      `copy *.node files too, or add ${package_} to what it takes along.`
    );
  }
  return 'could not be loaded. The cause of this error says why.';
}

function failure(text: string, cause?: unknown): Error {
  return new Error(`${NAME}: the native addon could not be loaded: ${text}`, { cause });
}

/** As the packages are named; on Linux with the C library. */
function platformName(): string {
  const { platform, arch } = process;
  if (platform === 'linux') return `linux-${arch}-${isGlibc() ? 'gnu' : 'musl'}`;
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

/** Only a Node linked against glibc reports a glibc version; Deno reports nothing. */
function isGlibc(): boolean {
  const header = reportHeader();
  if (header) return header.glibcVersionRuntime !== undefined;
  const arch = process.arch === 'x64' ? 'x86_64' : 'aarch64';
  return !existsSync(`/lib/ld-musl-${arch}.so.1`);
}

function reportHeader(): { glibcVersionRuntime?: string } | undefined {
  try {
    const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } };
    return report?.header;
  } catch {
    // Deno asks for a permission, which is not worth an error of its own.
    return undefined;
  }
}

/** The package's own folder; undefined where this file is no longer in it. */
function packageFolder(): string | undefined {
  // An ESM bundle has no `__filename`.
  if (typeof __filename !== 'string' || basename(__filename) !== 'load-failure.js')
    return undefined;
  const home = dirname(dirname(__filename));
  return existsSync(join(home, 'package.json')) ? home : undefined;
}

function isInstalled(package_: string, from: string): boolean {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'node_modules', package_, 'package.json'))) return true;
    if (folder === dirname(folder)) return false;
  }
}

/** The messages of an error and of all its causes. */
function messages(cause: unknown): string {
  const found: string[] = [];
  for (let error = cause; types.isNativeError(error) && found.length < 100; error = error.cause) {
    found.push(error.message);
  }
  return found.join('\n');
}
