// An npm registry on the loopback interface that offers the package as it would be published, and an
// empty folder of a user that installs from it.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { root } from './markdown.mjs';

const run = promisify(execFile);

interface Manifest {
  name: string;
  version: string;
}

/** A manifest as a tarball has it. */
export async function manifestIn(tarball: string): Promise<Manifest & Record<string, unknown>> {
  const { stdout } = await run('tar', ['-xzOf', tarball, 'package/package.json']);
  return JSON.parse(stdout);
}

export interface Registry {
  readonly url: string;
  close(): void;
}

/** Offers these tarballs. */
export async function startRegistry(tarballs: readonly string[]): Promise<Registry> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answers = new Map<string, Buffer | string>();
  for (const tarball of tarballs) {
    const manifest = await manifestIn(tarball);
    const bytes = readFileSync(tarball);
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    const place = `/-/${basename(tarball)}`;
    const version = { ...manifest, dist: { tarball: url + place, integrity } };
    answers.set(place, bytes);
    answers.set(
      `/${manifest.name}`,
      JSON.stringify({
        name: manifest.name,
        'dist-tags': { latest: manifest.version },
        versions: { [manifest.version]: version },
      }),
    );
  }
  server.on('request', ({ url: path = '' }, response) => {
    const answer = answers.get(path);
    response.writeHead(answer === undefined ? 404 : 200).end(answer ?? '{}');
  });
  return { url, close: () => server.close() };
}

/** A folder of a user: empty, with nothing on the PATH but Node. */
export class User {
  readonly folder = mkdtempSync(join(tmpdir(), 's9-websocket-user-'));
  readonly #path = join(this.folder, '.path');

  constructor() {
    mkdirSync(this.#path);
    symlinkSync(process.execPath, join(this.#path, basename(process.execPath)));
  }

  get #env(): NodeJS.ProcessEnv {
    // What npm puts there for its scripts would configure the npm of the user too, and a proxy is no
    // way to this machine.
    const clean = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|NODE_OPTIONS|https?_proxy)/i.test(name),
    );
    return { ...Object.fromEntries(clean), PATH: this.#path, Path: this.#path };
  }

  at(...path: string[]): string {
    return join(this.folder, ...path);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    writeFileSync(this.at(path), text);
  }

  /** Runs npm, with no script of any package. */
  async npm(registry: Registry, ...args: string[]): Promise<void> {
    const settings = [`--registry=${registry.url}`, `--cache=${this.at('.npm')}`];
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const options = { cwd: this.folder, env: this.#env, timeout: 60_000 };
    await run(process.execPath, [npmProgram(), ...args, ...settings, ...quiet], options);
  }

  /** Runs a script in Node; with what it printed, and its end if that was a failure. */
  async node(
    args: string[],
    env: Record<string, string> = {},
    cwd = this.folder,
  ): Promise<{ stdout: string; stderr: string; code?: number | string | null }> {
    const options = { cwd, env: { ...this.#env, ...env }, timeout: 30_000 };
    return run(process.execPath, args, options).catch(error => error);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The npm of this Node, a script. */
function npmProgram(): string {
  const beside = dirname(process.execPath);
  const script = join('npm', 'bin', 'npm-cli.js');
  const places = [
    process.env.npm_execpath ?? '',
    join(beside, 'node_modules', script),
    join(beside, '..', 'lib', 'node_modules', script),
  ];
  const found = places.find(place => place.endsWith('npm-cli.js') && existsSync(place));
  if (!found) throw new Error('npm is not where Node brings it');
  return found;
}

interface Packing {
  pack(addons: string[], to: string): string[];
  localAddon(): string;
  portableTarget(): string | undefined;
  portableAddon(target: string): string | undefined;
  newestGlibc(path: string): string | undefined;
}

const script = (name: string) => import(new URL(`../../scripts/${name}.mjs`, import.meta.url).href);

/** What packs the package for a release. */
export const packing: Packing = {
  ...(await script('pack')),
  ...(await script('portable')),
  ...(await script('elf')),
};

/** Packs the package and this platform's addon; with `foreign`, also the packages of other platforms. */
export function packHere(to: string, foreign: readonly string[] = []): string[] {
  const addons = foreign.map(platform => {
    const addon = join(to, '..', `s9-websocket.${platform}.node`);
    writeFileSync(addon, `an addon for ${platform}, which this system cannot load\n`);
    return addon;
  });
  return packing.pack([packing.localAddon(), ...addons], to);
}

/** The folder of this repository's own packages. */
export const modules = join(root, 'node_modules');
