// The package as it is published: what is in it, and that it works where it was installed from a
// registry, with no toolchain, from every module format, compiler setting and bundler.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import test, { type ExecutionContext } from 'ava';
import * as esbuild from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { EchoServer } from 's9-websocket/testing';
import webpack from 'webpack';

import { type Block, blocks, root } from './markdown.mjs';
import {
  manifestIn,
  modules,
  packHere,
  packing,
  type Registry,
  startRegistry,
  User,
} from './registry.mjs';

const run = promisify(execFile);
const HOST = /wss:\/\/[a-z.-]+\.example\.com/g;

/** What docs/platforms.md says, in MB. */
const MAX_TARBALL = 0.25;
const MAX_ADDON_TARBALL = 4.5;
const MAX_ADDON = 10;

const packed = mkdtempSync(join(tmpdir(), 's9-websocket-packed-'));
const tarballs = packHere(join(packed, 'tarballs'));
const [addonTarball = '', mainTarball = ''] = tarballs;
const user = new User();
const examples = blocks().filter(
  ({ place, info }) => place.startsWith('README') && info[0] === 'ts',
);
const nameOf = ({ place }: Block) => place.replace(/\W+/g, '-');
let registry: Registry;

test.before('the package installs from a registry, without scripts and tools', async t => {
  t.timeout(120_000);
  registry = await startRegistry(tarballs);
  await user.npm(registry, 'init', '--yes');
  await user.npm(registry, 'install', 's9-websocket');
  for (const example of examples) user.write(`${nameOf(example)}.mts`, example.code);
  for (const example of examples)
    user.write(`${nameOf(example)}-cjs.cts`, inFunction(example.code));
  mkdirSync(user.at('node_modules', '@types'));
  const types = join('node_modules', '@types', 'node');
  symlinkSync(join(root, types), user.at(types), 'junction');
});

test.after.always(() => {
  registry?.close();
  user.remove();
  rmSync(packed, { recursive: true, force: true });
});

/** As a CommonJS module has it, which cannot await outside of functions. */
function inFunction(code: string): string {
  const [, imports, rest] = /^((?:import .*\n)*)([\s\S]*)$/.exec(code)!;
  return `${imports}async function main() {\n${rest}}\nvoid main();\n`;
}

const filesIn = async (tarball: string) => {
  const { stdout } = await run('tar', ['-tzf', tarball]);
  return stdout.split(/\r?\n/).filter(line => line !== '' && !line.endsWith('/'));
};

test('the package holds what its users need and nothing else', async t => {
  const files = (await filesIn(mainTarball)).map(path => path.replace('package/', ''));
  const others = files.filter(path => !path.startsWith('dist/'));
  t.deepEqual(others.sort(), [
    'CHANGELOG.md',
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'README.md',
    'index.d.ts',
    'llms.txt',
    'native/index.d.ts',
    'native/index.js',
    'package.json',
  ]);
  const sources = files.filter(path => /^dist\/.*\.js$/.test(path));
  t.true(sources.length > 20);
  for (const path of sources) t.true(files.includes(`${path}.map`), path);
  t.deepEqual(
    (await filesIn(addonTarball)).sort().map(path => path.replace(/.*\//, '')),
    [
      'LICENSE-APACHE',
      'LICENSE-MIT',
      'README.md',
      'THIRD-PARTY-LICENSES',
      'package.json',
      (await manifestIn(addonTarball)).main,
    ],
  );
});

test('the addon comes with the licences of what it holds', async t => {
  const options = ['-xzOf', addonTarball, 'package/THIRD-PARTY-LICENSES'];
  const { stdout } = await run('tar', options);
  const held = process.platform === 'linux' ? ['OpenSSL', 'openssl'] : ['native-tls'];
  for (const name of [...held, 'tungstenite', 'napi', 'zlib-rs', 'ring']) {
    t.regex(stdout, new RegExp(`^${name} [\\d.]+ \\(`, 'm'), name);
  }
  t.regex(stdout, /fiat-crypto authors/, 'of what ring holds of others');
  t.notRegex(stdout, /^(s9-websocket|syn|openssl-src) /m, 'neither our own nor what only builds');
});

test('the package stays small', t => {
  const megabytes = (path: string) => statSync(path).size / 1e6;
  t.true(megabytes(mainTarball) < MAX_TARBALL, `${megabytes(mainTarball)} MB`);
  t.true(megabytes(addonTarball) < MAX_ADDON_TARBALL, `${megabytes(addonTarball)} MB`);
  const addon = gunzipSync(readFileSync(addonTarball)).length / 1e6;
  t.true(addon < MAX_ADDON, `${addon} MB`);
});

test('the portable addon asks for glibc 2.17 at most', t => {
  const target = packing.portableTarget();
  const portable = target && packing.portableAddon(target);
  if (portable) t.is(packing.newestGlibc(portable), '2.17');
  else t.pass();
  t.log(portable ?? 'there is none: `npm run build:portable` makes it');
});

test('what an addon asks of glibc is read from its file', async t => {
  const { stdout } = await run('objdump', ['-T', packing.localAddon()]).catch(() => ({
    stdout: '',
  }));
  const versions = [...stdout.matchAll(/\(?GLIBC_([\d.]+)\)?/g)].map(([, version]) => version!);
  if (versions.length === 0) return void t.pass('no objdump, or no ELF file, to compare with');
  versions.sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));
  t.is(packing.newestGlibc(packing.localAddon()), versions.at(-1));
});

test('its manifest names every platform in its own version, and nothing of a clone', async t => {
  const manifest = await manifestIn(mainTarball);
  const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const optional = Object.entries(manifest.optionalDependencies as object);
  t.is(optional.length, napi.targets.length);
  for (const [name, version] of optional) {
    t.is(version, manifest.version);
    const folder = name.replace('s9-websocket-', '');
    const platform = JSON.parse(readFileSync(join(root, 'npm', folder, 'package.json'), 'utf8'));
    t.is(platform.name, name);
    t.is(platform.version, manifest.version);
  }
  for (const key of ['private', 'dependencies', 'devDependencies', 'scripts']) {
    t.false(key in manifest, key);
  }
});

test('a clone, which has no optional dependencies, is not published by mistake', async t => {
  const empty = await startRegistry([]);
  t.teardown(() => empty.close());
  const token = `--${empty.url.replace('http:', '')}/:_authToken=none`;
  const publish = user.npm(empty, 'publish', root, token);
  const { stderr } = await t.throwsAsync<Error & { stderr: string }>(publish);
  t.regex(stderr, /EPRIVATE/);
});

test('publint has nothing to say', async t => {
  const pkgDir = user.at('node_modules', 's9-websocket');
  const { messages } = await publint({ pkgDir, pack: false, strict: true });
  const manifest = await manifestIn(mainTarball);
  t.deepEqual(
    messages.map(message => formatMessage(message, manifest)),
    [],
  );
});

test('the types are not wrong, in any resolution', async t => {
  const name = createPackageFromTarballData(new Uint8Array(readFileSync(mainTarball)));
  const result = await checkPackage(name);
  t.truthy(result.types);
  const problems = 'problems' in result ? result.problems : [];
  // TypeScript's old resolution reads no `exports`: it sees the package, but nothing below it.
  const isOfOldResolution = (problem: object) =>
    'resolutionKind' in problem &&
    problem.resolutionKind === 'node10' &&
    'entrypoint' in problem &&
    problem.entrypoint !== '.';
  t.deepEqual(
    problems.filter(problem => !isOfOldResolution(problem)),
    [],
  );
});

/** Type-checks the examples as a user's project with these settings would; compiles into `outDir`. */
async function compile(t: ExecutionContext, extension: string, settings: object): Promise<void> {
  const name = `tsconfig-${Object.values(settings).join('-')}.json`.replaceAll('/', '');
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    ...settings,
  };
  user.write(name, JSON.stringify({ compilerOptions, include: [`*.${extension}`] }));
  const tsc = join(modules, 'typescript', 'bin', 'tsc');
  t.is((await user.node([tsc, '--project', user.at(name)])).stdout, '', 'the compiler is content');
}

/** Every example prints what README.md says when it is run from this file. */
async function runs(t: ExecutionContext, fileOf: (name: string) => string): Promise<void> {
  // Only OpenSSL's roots can be given from outside.
  const server = await EchoServer.start({ tls: process.platform === 'linux' });
  const ca = `${t.title.replace(/\W+/g, '-')}.pem`;
  user.write(ca, server.ca ?? '');
  await Promise.all(
    examples.map(async example => {
      const file = user.at(fileOf(nameOf(example)));
      const script = file.replace(/(\.\w+)$/, '.run$1');
      user.write(
        script.slice(user.folder.length + 1),
        readFileSync(file, 'utf8').replaceAll(HOST, server.url),
      );
      const env: Record<string, string> = server.ca ? { SSL_CERT_FILE: user.at(ca) } : {};
      const ran = await user.node([script], env);
      t.is(ran.stderr, '', example.place);
      t.is(ran.stdout, example.next?.info[0] === 'text' ? example.next.code : '', example.place);
    }),
  );
  await server.close();
}

test('its programs run where it is installed', async t => {
  const { bin } = (await manifestIn(mainTarball)) as unknown as { bin: Record<string, string> };
  t.true('s9-websocket' in bin, 'npx finds the program by the name of the package');
  const server = await EchoServer.start();
  for (const path of Object.values(bin)) {
    const program = user.at('node_modules', 's9-websocket', path);
    const { stdout, stderr } = await user.node([program, '--help']);
    t.is(stderr, '');
    t.regex(stdout, /s9ws/);
    const talked = await user.node([program, server.url, '--send', 'hello', '--count', '1']);
    t.regex(talked.stdout, /hello/, talked.stderr);
  }
  await server.close();
});

test('README runs from TypeScript with nodenext, as ESM', async t => {
  await compile(t, 'mts', { module: 'nodenext', outDir: 'esm' });
  await runs(t, name => join('esm', `${name}.mjs`));
});

test('README runs from TypeScript with nodenext, as CommonJS', async t => {
  await compile(t, 'cts', { module: 'nodenext', outDir: 'cjs' });
  await runs(t, name => join('cjs', `${name}-cjs.cjs`));
});

test('README is typed for bundlers too', async t => {
  const settings = { module: 'esnext', moduleResolution: 'bundler', noEmit: true };
  await compile(t, 'mts', settings);
  await compile(t, 'cts', { ...settings, module: 'preserve' });
});

async function bundle(options: esbuild.BuildOptions, form: 'mts' | '-cjs.cts') {
  const extension = form === 'mts' ? '.mts' : form;
  const { errors, warnings } = await esbuild.build({
    absWorkingDir: user.folder,
    entryPoints: examples.map(example => `${nameOf(example)}${extension}`),
    bundle: true,
    platform: 'node',
    logLevel: 'silent',
    ...options,
  });
  return [...errors, ...warnings].map(({ text }) => text);
}

test('README runs from a bundle of esbuild, the package left external', async t => {
  const external = ['s9-websocket'];
  const esm: esbuild.BuildOptions = { format: 'esm', outExtension: { '.js': '.mjs' } };
  t.deepEqual(await bundle({ ...esm, external, outdir: 'esbuild' }, 'mts'), []);
  await runs(t, name => join('esbuild', `${name}.mjs`));
  t.deepEqual(await bundle({ format: 'cjs', external, outdir: 'esbuild' }, '-cjs.cts'), []);
  await runs(t, name => join('esbuild', `${name}-cjs.js`));
});

test('README runs from a bundle of esbuild that copies the addon', async t => {
  const loader = { '.node': 'copy' } as const;
  await bundle({ format: 'cjs', loader, outdir: 'whole/out' }, '-cjs.cts');
  await runs(t, name => join('whole', 'out', `${name}-cjs.js`));
});

test('README runs from a bundle of webpack, the package left external', async t => {
  const output = { path: user.at('webpack'), filename: '[name].js' };
  await compile(t, 'cts', { module: 'node20', outDir: 'for-webpack' });
  const compiler = webpack({
    mode: 'production',
    target: 'node20',
    context: user.folder,
    entry: Object.fromEntries(
      examples.map(example => [
        nameOf(example),
        user.at('for-webpack', `${nameOf(example)}-cjs.cjs`),
      ]),
    ),
    externals: { 's9-websocket': 'commonjs s9-websocket' },
    output,
  });
  const stats = await promisify(compiler.run.bind(compiler))();
  t.deepEqual(stats?.toJson({ errors: true, warnings: true }).errors, []);
  t.deepEqual(stats?.toJson({ errors: true, warnings: true }).warnings, []);
  await runs(t, name => join('webpack', `${name}.js`));
});
