// Where the addon cannot be loaded the package says why and what to do: each case as it comes about,
// in a user's folder that was installed from a registry.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test, { type ExecutionContext } from 'ava';
import * as esbuild from 'esbuild';

import { root, tableRows } from './markdown.mjs';
import { packHere, packing, type Registry, startRegistry, User } from './registry.mjs';

const here = packing.localAddon().split('.').at(-2)!;
const others = readdirSync(join(root, 'npm')).filter(platform => platform !== here);
const own = `s9-websocket-${here}`;

const packed = mkdtempSync(join(tmpdir(), 's9-websocket-packed-'));
const whole = new User();
let registry: Registry;

test.before('the package is there to install', async t => {
  t.timeout(120_000);
  registry = await startRegistry(packHere(join(packed, 'tarballs'), others));
  await whole.npm(registry, 'init', '--yes');
  await whole.npm(registry, 'install', 's9-websocket');
});

test.after.always(() => {
  registry?.close();
  whole.remove();
  rmSync(packed, { recursive: true, force: true });
});

/** A user of their own for a test; with a copy of the whole installation unless it is empty. */
function newUser(t: ExecutionContext, isEmpty = false): User {
  const user = new User();
  t.teardown(() => user.remove());
  if (!isEmpty) cpSync(whole.at('node_modules'), user.at('node_modules'), { recursive: true });
  return user;
}

/** Loads the package from both formats, which must fail alike; returns what was said. */
async function failure(t: ExecutionContext, user: User, ...flags: string[]): Promise<string> {
  user.write('load.cjs', "require('s9-websocket');");
  user.write('load.mjs', "import 's9-websocket';");
  const said: string[] = [];
  for (const script of ['load.cjs', 'load.mjs']) {
    const { stderr, code } = await user.node([...flags, script]);
    t.is(code, 1, script);
    said.push(/^Error: (s9-websocket: .*)/m.exec(stderr)?.[1] ?? stderr);
  }
  t.is(said[0], said[1]);
  return said[0]!;
}

const BEGINNING = 's9-websocket: the native addon could not be loaded: ';

test('a whole installation loads and has no other package than it needs', async t => {
  const user = newUser(t);
  user.write('load.cjs', "require('s9-websocket');");
  t.is((await user.node(['load.cjs'])).stderr, '');
  const lock = JSON.parse(readFileSync(whole.at('node_modules', '.package-lock.json'), 'utf8'));
  t.deepEqual(Object.keys(lock.packages).sort(), [
    'node_modules/s9-websocket',
    `node_modules/${own}`,
  ]);
});

test('without optional dependencies it says to install them', async t => {
  const user = newUser(t, true);
  await user.npm(registry, 'init', '--yes');
  await user.npm(registry, 'install', 's9-websocket', '--omit=optional');
  t.is(
    await failure(t, user),
    `${BEGINNING}${own} is not installed. It is an optional dependency: install without ` +
      '--omit=optional, --no-optional or `optional=false` in a .npmrc. If that was not it, the ' +
      "lock file comes from another platform and lists only that one's packages: remove it with " +
      'node_modules and install again.',
  );
});

for (const [platform, flags] of Object.entries({
  'win32-x64-msvc': ['--os=win32', '--cpu=x64'],
  'linux-x64-musl': ['--os=linux', '--cpu=x64', '--libc=musl'],
  'linux-x64-gnu': ['--os=linux', '--cpu=x64', '--libc=glibc'],
}).filter(([platform]) => platform !== here)) {
  test(`node_modules of ${platform} are told`, async t => {
    const user = newUser(t, true);
    await user.npm(registry, 'init', '--yes');
    await user.npm(registry, 'install', 's9-websocket', ...flags);
    t.is(
      await failure(t, user),
      `${BEGINNING}${own} is not installed, but s9-websocket-${platform} is: node_modules was ` +
        'installed for another platform. Remove node_modules and install again on the machine ' +
        "that runs it, in the image's own build for a container.",
    );
  });
}

test('a lock file of another platform installs this one too', async t => {
  const user = newUser(t, true);
  await user.npm(registry, 'init', '--yes');
  const elsewhere = ['--os=aix', '--cpu=ppc64', '--package-lock-only'];
  await user.npm(registry, 'install', 's9-websocket', ...elsewhere);
  await user.npm(registry, 'ci');
  user.write('load.cjs', "require('s9-websocket');");
  t.is((await user.node(['load.cjs'])).stderr, '');
});

const addonOf = (user: User) => user.at('node_modules', own, `s9-websocket.${here}.node`);

test('a .node file that was left out is told', async t => {
  const user = newUser(t);
  rmSync(addonOf(user));
  t.is(
    await failure(t, user),
    `${BEGINNING}${own} is installed but its s9-websocket.*.node file is missing: something that ` +
      'copies node_modules left it out. Have it copy *.node files too, or add ' +
      `${own} to what it takes along.`,
  );
});

test('a damaged .node file is told', async t => {
  for (const content of ['', 'not an addon '.repeat(100)]) {
    const user = newUser(t);
    writeFileSync(addonOf(user), content);
    t.is(
      await failure(t, user),
      `${BEGINNING}${own} is installed but its file is damaged or of another platform. Remove ` +
        'node_modules and install again on the machine that runs it.',
    );
  }
});

test('an addon of another version is told', async t => {
  const user = newUser(t);
  const path = user.at('node_modules', own, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...manifest, version: '0.0.7' }));
  t.is(
    await failure(t, user),
    `${BEGINNING}${own} is installed but its version is 0.0.7, and ${manifest.version} is needed. ` +
      'Remove node_modules and install again on the machine that runs it.',
  );
  user.write('env.cjs', "try { require('s9-websocket') } catch { console.log(process.env) }");
  t.notRegex((await user.node(['env.cjs'])).stdout, /NAPI_RS/, 'the environment is as it was');
});

const onLinux = here.endsWith('-gnu') ? test : test.skip;

onLinux('an addon that was built for a newer glibc is told', async t => {
  const user = newUser(t);
  const addon = readFileSync(addonOf(user));
  // The name alone is looked for; as long as the one in place of which it is put.
  const at = addon.indexOf('\0GLIBC_2.17\0');
  addon.write('\0GLIBC_2.99\0', at, 'latin1');
  writeFileSync(addonOf(user), addon);
  t.regex(
    await failure(t, user),
    /is installed but needs GLIBC 2\.99, and this system has 2\.\d+\. Published addons run with glibc 2\.17 and newer: this one was built elsewhere\./,
  );
});

test('a platform that nothing is prebuilt for is told', async t => {
  const user = newUser(t);
  user.write('arch.cjs', "Object.defineProperty(process, 'arch', { value: 'riscv64' });");
  t.regex(
    await failure(t, user, '--require=./arch.cjs'),
    /there is no prebuilt addon for \w+-riscv64(-\w+)?\. Build it from a clone of the repository: `npm run build`, with Rust, a C compiler, make and perl\./,
  );
});

test('a Node that is too old is told', async t => {
  const user = newUser(t);
  user.write(
    'version.cjs',
    "Object.defineProperty(process.versions, 'node', { value: '18.20.8' });",
  );
  t.is(
    await failure(t, user, '--require=./version.cjs'),
    `${BEGINNING}Node 18.20.8 is too old. Node 20 or newer is needed.`,
  );
});

test('a Node that takes no addons is told', async t => {
  t.is(
    await failure(t, newUser(t), '--no-addons'),
    `${BEGINNING}${own} is installed but this Node takes no addons: start it without ` +
      '--no-addons, or with --allow-addons.',
  );
});

test('a bundle that left the addon behind is told', async t => {
  const user = newUser(t);
  user.write('index.cjs', "require('s9-websocket');");
  const moved = newUser(t, true);
  await esbuild.build({
    absWorkingDir: user.folder,
    entryPoints: ['index.cjs'],
    bundle: true,
    platform: 'node',
    external: ['*.node', 's9-websocket-*'],
    logLevel: 'silent',
    outfile: moved.at('bundle.cjs'),
  });
  const { stderr, code } = await moved.node(['bundle.cjs']);
  t.is(code, 1);
  t.is(
    /^Error: (s9-websocket: .*)/m.exec(stderr)?.[1],
    `${BEGINNING}its code was moved into another file, from where ${own} cannot be found: a ` +
      'bundler cannot take a native addon along. Mark `s9-websocket` as external (esbuild: ' +
      'external, webpack: externals, Next.js: serverExternalPackages) and ship node_modules ' +
      'beside the bundle.',
  );
});

test('a clone that was not built is told', async t => {
  const user = newUser(t);
  rmSync(user.at('node_modules', 's9-websocket', 'native'), { recursive: true });
  t.regex(await failure(t, user), /native is missing: in a clone, `npm run build` makes it\.$/);
});

test('what docs/platforms.md says of errors is what they say', t => {
  const source = readFileSync(join(root, 'src-ts', 'load-failure.ts'), 'utf8');
  const rows = tableRows('docs/platforms.md', 'the error says');
  t.true(rows.length > 5);
  for (const row of rows) t.true(source.includes(row['the error says']!), row['the error says']);
});

test('what docs/platforms.md says of runtimes is what is expected of them', t => {
  const expected = readFileSync(join(root, 'runtimes', 'expected-failures.json'), 'utf8');
  t.deepEqual(JSON.parse(expected), {}, 'say in the table what fails, and why');
  const { optionalDependencies } = JSON.parse(
    readFileSync(join(root, 'runtimes', 'package.json'), 'utf8'),
  );
  const rows = tableRows('docs/platforms.md', 'check');
  t.true(rows.length > 5);
  for (const { check, ...cells } of rows) {
    const { bun, deno } = optionalDependencies;
    const minor = (version: string) => version.replace(/\.\d+$/, '');
    const headings = ['Node 20, 22, 24, 26', `Bun ${minor(bun)}`, `Deno ${minor(deno)}`];
    t.deepEqual(Object.keys(cells), headings, check);
    for (const cell of Object.values(cells)) t.is(cell, 'yes', check);
  }
});
