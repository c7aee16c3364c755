/**
 * Runs the Python clients of this folder against the service, in a virtual environment of their own. Arguments are
 * pytest's: `npm run test:python -- -k upload`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = import.meta.dirname;
const ROOT = path.resolve(FOLDER, '../..');
const ENVIRONMENT = path.join(ROOT, 'node_modules/.cache/lossmeter-python');
const PYTHON = path.join(ENVIRONMENT, 'bin/python');
const REQUIREMENTS = path.join(FOLDER, 'requirements.txt');

const found = spawnSync('python3', ['--version'], { encoding: 'utf8' });
if (found.status !== 0) {
  console.error('The tests of Python clients need python3, 3.10 or later, with venv; there is none on the PATH.');
  process.exit(1);
}

// The environment is made for one Python and one list of packages. The stamp is written last: what was interrupted is
// made anew.
const stamp = path.join(ENVIRONMENT, 'requirements.txt');
const wanted = `# ${found.stdout.trim()}\n${readFileSync(REQUIREMENTS, 'utf8')}`;
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  const made =
    run('python3', ['-m', 'venv', '--clear', ENVIRONMENT]) === 0 &&
    run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--requirement', REQUIREMENTS]) === 0;
  if (!made) {
    console.error(`The virtual environment ${path.relative(ROOT, ENVIRONMENT)} could not be made.`);
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

process.exitCode = run(PYTHON, [
  ...['-m', 'pytest', 'test/python'],
  ...['--override-ini', `cache_dir=${path.join(ENVIRONMENT, 'pytest-cache')}`],
  '--junitxml=test-results/python.xml',
  ...process.argv.slice(2),
]);

/** Runs a program from the root of the checkout and returns its exit code; 1 when it has none. */
function run(program: string, args: string[]): number {
  const env = { ...process.env, LOSSMETER_NODE: process.execPath };
  const { status, error } = spawnSync(program, args, { cwd: ROOT, env, stdio: 'inherit' });
  if (error !== undefined) console.error(`${program}: ${error.message}`);
  return status ?? 1;
}
