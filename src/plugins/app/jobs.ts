import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';
import type { NamedFiles } from '../../files/named-files.ts';
import { JobEvents } from '../../jobs/events.ts';
import { TaskExecutor } from '../../jobs/executor.ts';
import { TaskRunner } from '../../jobs/runner.ts';
import { JobService } from '../../jobs/service.ts';
import type { TaskDoers } from '../../jobs/service.ts';
import { SqliteJobStore, jobsPathOf } from '../../jobs/sqlite/store.ts';
import type { PostgresJobStore } from '../../jobs/postgres/store.ts';
import type { JobStore } from '../../jobs/store.ts';
import { isPostgres } from '../../runs/open-store.ts';
import { JobMetrics } from '../../telemetry/jobs.ts';

interface Jobs {
  readonly service: JobService;
  readonly events: JobEvents;
  readonly metrics: JobMetrics | undefined;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Jobs over files. @throws LossmeterError local_data_off without a data directory and object storage */
    readonly jobs: () => Jobs;
  }
}

/**
 * Jobs: their store, and the execution of their tasks. With PostgreSQL the processes of `lossmeter worker` execute tasks;
 * otherwise the service itself does, one after another.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const hasFiles = config.dataDir !== undefined || config.s3Buckets !== undefined;
    const store = hasFiles ? await makeStore(app, config) : undefined;
    const metrics = app.telemetry && new JobMetrics(app.telemetry.registry, store);
    if (store === undefined) {
      app.decorate('jobs', () => {
        throw new LossmeterError(
          'local_data_off',
          'jobs read files: set LOSSMETER_DATA_DIR or LOSSMETER_S3_BUCKETS to enable them',
        );
      });
      return;
    }
    const { namedFiles } = app.evaluator;
    const doers = store instanceof SqliteJobStore ? doHere(app, store, { namedFiles, metrics }) : store;
    if (!(store instanceof SqliteJobStore)) app.addHook('onClose', () => store.close());
    const service = new JobService({ store, doers, namedFiles, kernel: app.pool.variant, limits: config });
    const events = new JobEvents(store);
    app.decorate('jobs', () => ({ service, events, metrics }));
  },
  { name: 'jobs', dependencies: ['evaluator', 'telemetry', 'runs'] },
);

async function makeStore(app: FastifyInstance, config: Config): Promise<SqliteJobStore | PostgresJobStore> {
  if (!isPostgres(config.store)) return new SqliteJobStore(jobsPathOf(config.store));
  const { openPostgresJobs } = await import('../../jobs/postgres/store.ts');
  return openPostgresJobs(config, (err) => app.log.warn({ err }, 'the task queue failed'));
}

/** Executes tasks in this process. */
function doHere(
  app: FastifyInstance,
  store: SqliteJobStore,
  { namedFiles, metrics }: { namedFiles: NamedFiles; metrics: JobMetrics | undefined },
): TaskDoers {
  const means = {
    pool: (kernel: string) => {
      if (kernel === app.pool.variant) return app.pool;
      const detail = `the job requires the kernel ${kernel}, but this service uses ${app.pool.variant}: set LOSSMETER_KERNEL=${kernel}, or create the job again`;
      throw new LossmeterError('partials_mismatch', detail);
    },
    held: { open: () => app.evaluator.openAccount() },
    namedFiles,
  };
  const log = (key: object, err: unknown): void => app.log.error({ err, ...key }, 'a task of a job failed');
  const runner = new TaskRunner(store satisfies JobStore, means, log);
  const executor = new TaskExecutor(store, runner, (_key, outcome) => metrics?.did(outcome));
  app.addHook('onReady', async () => {
    await store.open();
    executor.start();
  });
  // Requests have ended before, and the pool is closed later.
  app.addHook('onClose', async () => {
    await executor.close();
    await store.close();
  });
  return { wake: () => executor.wake(), stop: (job) => executor.stop(job) };
}
