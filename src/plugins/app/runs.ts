import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import type { LossmeterError } from '../../errors.ts';
import type { Pages } from '../../runs/answers.ts';
import { RunChanges } from '../../runs/changes.ts';
import { readEndpoint } from '../../runs/endpoint.ts';
import { RunEvents } from '../../runs/events.ts';
import { makeStore } from '../../runs/open-store.ts';
import type { ServiceStore } from '../../runs/open-store.ts';
import { RunFollower } from '../../runs/follower.ts';
import type { ChangedStep } from '../../runs/follower.ts';
import { MlflowLogger } from '../../runs/mlflow.ts';
import type { Creator } from '../../runs/quota.ts';
import { Recorder } from '../../runs/recorder.ts';
import { Retention } from '../../runs/retention.ts';
import { StoreWatch } from '../../runs/store-watch.ts';
import type { RunStore } from '../../runs/store.ts';
import { Webhook } from '../../runs/webhook.ts';
import { RunMetrics } from '../../telemetry/runs.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Store of the history of runs. */
    readonly runs: RunStore;
    /** Pages of the history as text. */
    readonly runPages: Pages;
    readonly storeWatch: StoreWatch;
    readonly runChanges: RunChanges;
    readonly runEvents: RunEvents;
    readonly recorder: Recorder;
  }
}

/** Owner of a run that a request creates; undefined if the service requires no keys. */
export function creatorOf({ key, server }: FastifyRequest): Creator | undefined {
  return key && { owner: key.name, mostRuns: server.config.maxRunsPerKey };
}

/** Runs: their store, their recorder and their events. The store is closed after the last request. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const changes = new RunChanges();
    const store = await makeStore(config, {
      onChange: (run) => changes.notify(run),
      onConversion: (steps) =>
        app.log.info(`the history of an earlier version is converted, in ${steps} steps: this can take minutes`),
    });
    // The threads of the store start while the routes are registered.
    const opening = store.open();
    opening.catch(() => undefined);
    // This is the first of the hooks, because the others use the open store.
    app.addHook('onReady', async () => {
      await opening;
      await store.start();
    });
    const watch = watchStore(app, store);
    const metrics = app.telemetry && new RunMetrics(app.telemetry.registry, store, watch);
    app.decorate('runs', store);
    app.decorate('runPages', store.pages);
    app.decorate('storeWatch', watch);
    app.decorate('runChanges', changes);
    app.decorate('runEvents', new RunEvents({ store, pages: store.pages }, changes));
    app.decorate('recorder', new Recorder(app.evaluator, store, changes, metrics?.recorded));
    // Added before the hooks of the followers: onClose hooks run from last to first.
    app.addHook('onClose', async () => {
      await watch.close();
      await store.close();
    });
    keepWithin(app, store, config, metrics);
    if (config.webhookUrl !== undefined) follow(app, store, 'webhook', makeWebhook(app, config, metrics));
    if (config.mlflowTrackingUri !== undefined) follow(app, store, 'mlflow', makeMlflowLogger(app, config));
  },
  { name: 'runs', dependencies: ['evaluator', 'telemetry'] },
);

/** Deletes runs by the configured rules of retention, if there are any. */
function keepWithin(app: FastifyInstance, store: ServiceStore, config: Config, metrics: RunMetrics | undefined): void {
  const { retentionDays: days, retentionBytes: bytes } = config;
  if (days === undefined && bytes === undefined) return;
  const retention = new Retention(
    store,
    { days, bytes },
    {
      onDeleted: (run, rule) => {
        const reason = rule === 'age' ? `it was not recorded for ${days} days` : `the history exceeds ${bytes} bytes`;
        app.log.info({ run, rule }, `a run is deleted: ${reason}`);
        metrics?.expired(rule);
        app.runChanges.notify(run);
      },
      onFailure: (err) => app.log.error({ err }, 'old runs could not be deleted'),
    },
  );
  app.addHook('onReady', async () => retention.start());
  app.addHook('onClose', () => retention.close());
}

/** Logs the start and the end of each fault of the store. */
function watchStore(app: FastifyInstance, store: RunStore): StoreWatch {
  const watch = new StoreWatch(
    () => store.check(),
    (fault) => {
      if (fault === undefined) app.log.info('runs can be recorded again');
      else app.log.error(`runs cannot be recorded: ${fault}`);
    },
  );
  app.addHook('onReady', async () => watch.start());
  app.addHook('onError', async (_request, _reply, error) => {
    if ((error as Partial<LossmeterError>).code === 'store_unavailable') void watch.look();
  });
  return watch;
}

/** Receiver of changed steps. */
interface Follower {
  tell: (changed: ChangedStep) => void;
  close: () => Promise<void>;
}

function follow(app: FastifyInstance, store: ServiceStore, name: string, { tell, close }: Follower): void {
  const onFailure = (err: unknown): void =>
    app.log.error({ err }, 'recorded steps could not be read for webhooks and MLflow');
  const follower = new RunFollower(store, app.runChanges, tell, onFailure, store.position?.(name));
  app.addHook('onReady', () => follower.start());
  app.addHook('onClose', async () => {
    await follower.close();
    await close();
  });
}

/** @throws Error when the secret is missing */
function makeWebhook(app: FastifyInstance, config: Config, metrics: RunMetrics | undefined): Follower {
  const { webhookUrl: url, webhookSecret: secret } = config;
  if (secret === undefined) {
    throw new Error('LOSSMETER_WEBHOOK_SECRET is missing: LOSSMETER_WEBHOOK_URL requires it to sign the messages');
  }
  const receiver = readEndpoint({ variable: 'LOSSMETER_WEBHOOK_URL', value: url!, secrets: [secret] });
  const webhook = new Webhook({ receiver, secret }, (outcome, err) => {
    metrics?.told(outcome);
    if (outcome === 'failed') app.log.warn({ err }, 'a webhook message was not delivered');
    if (outcome === 'dropped') app.log.warn({ err }, 'a webhook message was dropped, because too many messages wait');
  });
  return { tell: webhook.tell, close: () => webhook.close() };
}

function makeMlflowLogger(app: FastifyInstance, config: Config): Follower {
  const { mlflowTrackingUri: value, mlflowTrackingToken: token } = config;
  const server = readEndpoint({
    variable: 'MLFLOW_TRACKING_URI',
    value: value!,
    token: token === undefined ? undefined : { variable: 'MLFLOW_TRACKING_TOKEN', value: token },
  });
  const options = { server, experiment: config.mlflowExperimentName };
  const logger = new MlflowLogger(options, app.runs, (message, err) => app.log.warn({ err }, message));
  return { tell: logger.tell, close: () => logger.close() };
}
