import closeWithGrace from 'close-with-grace';
import { buildApp } from './app.ts';
import { unknownVariables } from './config.ts';
import type { Config } from './config.ts';
import { listen } from './listen.ts';

/** How long requests in flight may take after SIGTERM, in milliseconds. */
const DRAIN_MS = 30_000;

/** Listens until a signal; then finishes the requests in flight and resolves. */
export async function serve(config: Config): Promise<void> {
  const app = await buildApp({ config, logger: { level: config.logLevel } });
  for (const name of unknownVariables()) app.log.warn(`${name} is not a variable of lossmeter and does nothing`);

  closeWithGrace({ delay: DRAIN_MS, logger: app.log }, async ({ err, signal }) => {
    if (err) app.log.fatal({ err }, 'the service failed');
    else app.log.info(`${signal}: finishing the requests in flight`);
    await app.close();
    app.log.info('closed');
  });

  await listen(app, config);
}
