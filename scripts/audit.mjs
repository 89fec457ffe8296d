// Known vulnerabilities, licences and sources of everything that is depended on: `npm audit`, and
// `cargo deny` as deny.toml says. What cannot be asked from here is skipped, and said so.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { npmProgram, root, run } from './ensure.mjs';

const CARGO_DENY = '0.20.2';
/** Where this script installs it; `target` is in no checkout and in no package. */
const tools = join(root, 'target', 'tools');

/** Whether all that was asked is in order; undefined if nothing could be, or not all where all `isNeeded`. */
export function audit({ isNeeded = false } = {}) {
  const results = [auditNpm(), ...auditCargo()];
  if (results.includes(false)) return false;
  return results.includes(true) && !(isNeeded && results.includes(undefined)) ? true : undefined;
}

function auditNpm() {
  const npm = npmProgram();
  const { stdout } = npm
    ? spawnSync(process.execPath, [npm, 'audit', '--json'], { cwd: root, encoding: 'utf8' })
    : spawnSync('npm audit --json', { cwd: root, encoding: 'utf8', shell: true });
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    return skipped('npm', 'it tells nothing');
  }
  if (!report.metadata) return skipped('npm', report.message ?? report.error?.summary);
  const { vulnerabilities, dependencies } = report.metadata;
  console.log(`npm: ${vulnerabilities.total} vulnerabilities in ${dependencies.total} packages`);
  for (const { name, severity, range } of Object.values(report.vulnerabilities)) {
    console.log(`  ${name} ${range}: ${severity}`);
  }
  return vulnerabilities.total === 0;
}

function auditCargo() {
  const deny = denyCommand();
  if (!deny) {
    const how = 'install it by `node scripts/audit.mjs --install`; that takes minutes';
    return [skipped('cargo deny', `it is not installed; ${how}`)];
  }
  const check = (...what) =>
    spawnSync(deny, ['--log-level', 'warn', 'check', ...what], { cwd: root, encoding: 'utf8' });
  const told = ({ status, stdout, stderr }) => {
    process.stdout.write(`cargo deny: ${stdout.trim()}\n`);
    if (status !== 0) process.stdout.write(stderr);
    return status === 0;
  };
  const advisories = check('advisories');
  return [
    told(check('bans', 'licenses', 'sources')),
    // The database is a repository on GitHub. In one line: an advisory may have all these words.
    advisories.status !== 0 &&
    /failed to (fetch|load|update|acquire|open) .*(advisory|database|repository)/i.test(
      advisories.stderr,
    )
      ? skipped('cargo deny: advisories', 'the database cannot be fetched')
      : told(advisories),
  ];
}

/** The command where there is one of this version or any other. */
function denyCommand() {
  const ours = join(tools, 'bin', process.platform === 'win32' ? 'cargo-deny.exe' : 'cargo-deny');
  return [ours, 'cargo-deny'].find(
    command =>
      (command !== ours || existsSync(ours)) && spawnSync(command, ['--version']).status === 0,
  );
}

function skipped(what, why) {
  console.log(`${what}: skipped, ${why ?? 'for a reason unknown'}`);
  return undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--install')) {
    // Unoptimised it is built in two minutes, and fast enough.
    const what = ['install', 'cargo-deny', '--debug', '--locked', '--version', CARGO_DENY];
    if (!run('cargo', [...what, '--root', tools])) process.exit(1);
  }
  // In CI all of it can be asked, and what was skipped would pass unseen.
  const isNeeded = Boolean(process.env.CI);
  const passed = audit({ isNeeded });
  if (passed === false || (isNeeded && !passed)) process.exitCode = 1;
}
