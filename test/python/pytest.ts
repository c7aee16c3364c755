/** Suites of pytest, each in its own virtual environment. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { RecordedReplies } from '../replies/record.ts';
import { ROOT, environmentOf, pythonOf } from './environment.ts';
import type { Environment } from './environment.ts';

/** Exit code of pytest when no test was selected. */
const NO_TESTS = 5;

/** A suite. Its name is also the name of its report, `test-results/NAME.xml`. */
export interface Suite extends Environment {
  /** Folder in which pytest runs, relative to the root of the checkout. */
  folder: string;
  /** Path of the tests, relative to the folder. */
  tests: string;
}

/** Runs a suite. @returns the exit code */
export function runSuite({ folder, tests, ...wanted }: Suite, args: readonly string[]): number {
  const environment = environmentOf(wanted);
  const pytest = [
    ...['-m', 'pytest', tests],
    ...['--override-ini', `cache_dir=${path.join(environment, 'pytest-cache')}`],
    `--junitxml=${path.join(ROOT, 'test-results', `${wanted.name}.xml`)}`,
  ];
  const replies = new RecordedReplies();
  const status = run(pythonOf(environment), [...pytest, ...args], path.join(ROOT, folder), replies.environment);
  // Arguments may select tests of another suite.
  if (status === NO_TESTS && args.length > 0) return 0;
  return comparesWell(replies) ? status : status || 1;
}

/** Compares the replies that the tests received with the OpenAPI document, and prints differences. */
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
