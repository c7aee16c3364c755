import closeWithGrace from 'close-with-grace';
import { unknownVariables } from './environment.ts';
import type { Config } from './config.ts';
import { listen } from './listen.ts';
import { isLoopback } from './loopback.ts';
import { openPool } from './pipeline/open-pool.ts';
import { answersToTheEnd } from './plugins/app/lifecycle.ts';
import { CLOSE_MS, FAULT_SIGNALS } from './shutdown.ts';
import { tracingSettings } from './telemetry/tracing/settings.ts';
import type { Tracing } from './telemetry/tracing/start.ts';
import { questionOf } from './suggestion.ts';

/**
 * Listens until a signal; then finishes the requests in progress and resolves.
 * @throws Error when the service would be open to everyone without an explicit setting
 */
export async function serve(config: Config): Promise<void> {
  const isOpen = config.apiKeysFile === undefined && config.socket === undefined && !isLoopback(config.host);
  if (isOpen && !config.allowAnonymous) throw new Error(explainOpen(config));
  const tracing = await startTracing();
  // The worker threads load their modules while this thread loads the modules of the service.
  const pool = openPool(config);
  const { buildApp } = await import('./app.ts');
  const app = await buildApp({ config, pool, logger: { level: config.logLevel }, tracing });
  if (isOpen) app.log.warn(`no API keys: everyone who can reach ${config.host} can use this service`);
  for (const { name, meant } of unknownVariables()) {
    app.log.warn(`${name} is not a variable of lossmeter and is ignored${questionOf(meant)}`);
  }

  const delay = config.drainSeconds * 1000 + CLOSE_MS;
  closeWithGrace({ delay, logger: app.log, skip: FAULT_SIGNALS }, async ({ err, signal }) => {
    if (err) app.log.fatal({ err }, 'the service failed');
    else app.log.info(`${signal}: finishing the requests in flight`);
    await app.close();
    await tracing?.end();
    app.log.info('closed');
  });

  await listen(app, config);
}

/** Starts tracing when it is configured. OpenTelemetry is loaded only then. */
async function startTracing(): Promise<Tracing | undefined> {
  const settings = tracingSettings();
  if (settings === undefined) return undefined;
  const { startTracing: start } = await import('./telemetry/tracing/start.ts');
  return start(settings, answersToTheEnd);
}

function explainOpen({ host }: Config): string {
  return `LOSSMETER_HOST is ${host}, which others can reach, and there are no keys. Either make one with
  lossmeter keys create --name NAME --scope evaluate --file keys.json
and set LOSSMETER_API_KEYS_FILE=keys.json, or set LOSSMETER_ALLOW_ANONYMOUS=true to serve everyone who can reach it.`;
}
