import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../config.ts';
import { RunChanges } from '../runs/changes.ts';
import { RunFollower } from '../runs/follower.ts';
import { Recorder } from '../runs/recorder.ts';
import { SqliteStore } from '../runs/sqlite-store.ts';
import type { RunStore } from '../runs/store.ts';
import { Webhook } from '../runs/webhook.ts';
import { RunMetrics } from '../telemetry/runs.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** The history of runs. */
    readonly runs: RunStore;
    readonly runChanges: RunChanges;
    readonly recorder: Recorder;
  }
}

/** Runs: their store, what records them and what tells of changes. The store is closed after the last request. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const store = new SqliteStore(config.store);
    const changes = new RunChanges();
    const metrics = app.telemetry && new RunMetrics(app.telemetry.registry, store);
    app.decorate('runs', store);
    app.decorate('runChanges', changes);
    app.decorate('recorder', new Recorder(app.evaluator, store, changes, metrics?.recorded));
    if (config.webhookUrl !== undefined) addWebhook(app, config, store, changes, metrics);
    app.addHook('onClose', () => store.close());
  },
  { name: 'runs', dependencies: ['evaluator', 'telemetry'] },
);

/** @throws Error when there is nothing to sign with */
function addWebhook(
  app: FastifyInstance,
  { webhookUrl, webhookSecret }: Config,
  store: RunStore,
  changes: RunChanges,
  metrics: RunMetrics | undefined,
): void {
  if (webhookSecret === undefined) {
    throw new Error(
      'LOSSMETER_WEBHOOK_URL is set, and LOSSMETER_WEBHOOK_SECRET, with which webhooks are signed, is not',
    );
  }
  const webhook = new Webhook({ url: webhookUrl!, secret: webhookSecret }, (outcome, err) => {
    metrics?.told(outcome);
    if (outcome !== 'delivered') app.log.warn({ err }, `a webhook was ${outcome}`);
  });
  const onFailure = (err: unknown): void =>
    app.log.error({ err }, 'what is recorded could not be read for the webhook');
  const follower = new RunFollower(store, changes, webhook.tell, onFailure);
  app.addHook('onReady', () => follower.start());
  app.addHook('onClose', async () => {
    await follower.close();
    await webhook.close();
  });
}
