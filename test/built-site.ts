/** A built site in a folder of its own, served by its plugin alone. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { onTestFinished } from 'vitest';
import errors from '../src/plugins/app/errors.ts';

/**
 * @param files contents by name; those of the site are below `dist`
 * @param register registers the plugin with the folder of the site
 */
export async function serveSite(
  files: Record<string, string>,
  register: (app: FastifyInstance, folder: string) => PromiseLike<unknown>,
): Promise<FastifyInstance> {
  const folder = mkdtempSync(join(tmpdir(), 'lossmeter-site-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  // The service sets this option too.
  const app = Fastify({ routerOptions: { ignoreTrailingSlash: true } });
  await app.register(errors);
  await register(app, join(folder, 'dist'));
  onTestFinished(async () => {
    await app.close();
    rmSync(folder, { recursive: true });
  });
  return app;
}
