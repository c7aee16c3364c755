/** Suites of pytest, each in a virtual environment of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RecordedReplies } from '../replies/record.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** What pytest exits with where there is no test to run. */
const NO_TESTS = 5;

export interface Suite {
  /** Names the environment, `lossmeter-NAME`, and the report, `test-results/NAME.xml`. */
  name: string;
  /** What is installed, from the root of the checkout. */
  requirements: string;
  /** Files that say what else is, if any. */
  others?: readonly string[];
  /** Where pytest runs, from the root of the checkout. */
  folder: string;
  /** Its tests, from there. */
  tests: string;
}

/** Runs a suite, in an environment that is made when it is not there. @returns the exit code */
export function runSuite({ name, requirements, others = [], folder, tests }: Suite, args: readonly string[]): number {
  const environment = path.join(ROOT, 'node_modules/.cache', `lossmeter-${name}`);
  const python = path.join(environment, 'bin/python');
  const found = spawnSync('python3', ['--version'], { encoding: 'utf8' });
  if (found.status !== 0) {
    console.error('The tests in Python need python3, 3.11 or later, with venv; there is none on the PATH.');
    return 1;
  }

  // The environment is made for one Python and one list of packages. The stamp is written last: what was interrupted is
  // made anew.
  const stamp = path.join(environment, 'requirements.txt');
  const lists = [requirements, ...others].map((file) => readFileSync(path.join(ROOT, file), 'utf8'));
  const wanted = [`# ${found.stdout.trim()}`, ...lists].join('\n');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    const made =
      run('python3', ['-m', 'venv', '--clear', environment], ROOT) === 0 &&
      run(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements], ROOT) === 0;
    if (!made) {
      console.error(`The virtual environment ${path.relative(ROOT, environment)} could not be made.`);
      return 1;
    }
    writeFileSync(stamp, wanted);
  }

  const pytest = [
    ...['-m', 'pytest', tests],
    ...['--override-ini', `cache_dir=${path.join(environment, 'pytest-cache')}`],
    `--junitxml=${path.join(ROOT, 'test-results', `${name}.xml`)}`,
  ];
  const replies = new RecordedReplies();
  const status = run(python, [...pytest, ...args], path.join(ROOT, folder), replies.environment);
  // Arguments may choose tests of another suite.
  if (status === NO_TESTS && args.length > 0) return 0;
  return comparesWell(replies) ? status : status || 1;
}

/** Compares the replies that the tests saw with the OpenAPI document, and reports what differs. */
function comparesWell(replies: RecordedReplies): boolean {
  try {
    replies.end();
    console.log(`${replies.count} replies were compared with the OpenAPI document`);
    return true;
  } catch (error) {
    console.error((error as Error).message);
    return false;
  }
}

/** Runs a program and returns its exit code; 1 when it has none. */
function run(program: string, args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv = {}): number {
  const env = { ...process.env, ...environment, LOSSMETER_NODE: process.execPath };
  const { status, error } = spawnSync(program, args, { cwd, env, stdio: 'inherit' });
  if (error !== undefined) console.error(`${program}: ${error.message}`);
  return status ?? 1;
}
