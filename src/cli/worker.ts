import closeWithGrace from 'close-with-grace';
import { loadConfig } from '../environment.ts';
import type { Config } from '../config.ts';
import { JobWorker } from '../jobs/postgres/worker.ts';
import { isPostgres } from '../runs/open-store.ts';
import { CLOSE_MS, FAULT_SIGNALS } from '../shutdown.ts';
import { UsageError, orUsageError, parseArguments, runCommand } from './usage.ts';

const USAGE = `usage: lossmeter worker [options]

Evaluates the files of jobs until SIGTERM. Any number of workers share the jobs
of one PostgreSQL database; each reads the files below its LOSSMETER_DATA_DIR.
A file of a worker that was lost is evaluated by another one within 20 seconds.
After SIGTERM a worker finishes its files; those that take longer than
LOSSMETER_DRAIN_SECONDS are given back.

  --tasks N            overrides LOSSMETER_WORKER_TASKS
  --workers N          overrides LOSSMETER_WORKERS
  -h, --help           print this

Required environment: LOSSMETER_STORE (a URL of PostgreSQL), and
LOSSMETER_DATA_DIR or LOSSMETER_S3_BUCKETS; see lossmeter --help.

The exit code is 0 after SIGTERM, and 2 for invalid usage or a database that
refuses the worker.
`;

/** `lossmeter worker`. Resolves when the worker has started. @returns the exit code */
export function worker(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), work);
}

async function work(config: Config): Promise<number> {
  const jobs = new JobWorker(config, {
    info: (text) => log('info', text),
    error: (text, error) => log('error', text, error),
  });
  closeWithGrace(
    { delay: config.drainSeconds * 1000 + CLOSE_MS, logger: false, skip: FAULT_SIGNALS },
    async ({ err, signal }) => {
      log(err ? 'error' : 'info', err ? 'the worker failed' : `${signal}: finishing the tasks in progress`, err);
      await jobs.close();
      log('info', 'closed');
    },
  );
  try {
    await jobs.start();
  } catch (error) {
    console.error((error as Error).message);
    // Exits explicitly: open connections would keep the process alive.
    process.exit(2);
  }
  return 0;
}

/** @returns undefined when help is requested */
function readArguments(args: string[]): Config | undefined {
  const { values } = parseArguments({
    args,
    options: { help: { type: 'boolean', short: 'h' }, tasks: { type: 'string' }, workers: { type: 'string' } },
  });
  if (values.help === true) return undefined;
  const config = orUsageError(() =>
    loadConfig({
      ...process.env,
      ...(values.tasks !== undefined && { LOSSMETER_WORKER_TASKS: values.tasks }),
      ...(values.workers !== undefined && { LOSSMETER_WORKERS: values.workers }),
    }),
  );
  if (isPostgres(config.store)) return config;
  throw new UsageError(
    'LOSSMETER_STORE is not a URL of PostgreSQL, expected postgres://…: with SQLite the service evaluates the files of jobs itself',
  );
}

/** Prints a line of the log, as JSON. The errors of pg-boss are plain objects. */
function log(level: 'info' | 'error', text: string, error?: unknown): void {
  const { message, stack } = (error ?? {}) as Partial<Error>;
  const err = message === undefined ? {} : { err: { message, stack } };
  console.log(JSON.stringify({ level, time: Date.now(), pid: process.pid, msg: text, ...err }));
}
