import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { Evaluator } from '../../pipeline/evaluator.ts';
import { divideMemory } from '../../pipeline/memory-shares.ts';
import { openPool } from '../../pipeline/open-pool.ts';
import type { KernelPool } from '../../engine/pool.ts';

declare module 'fastify' {
  interface FastifyInstance {
    readonly pool: KernelPool;
    readonly evaluator: Evaluator;
    readonly config: Config;
  }
}

/** Kernel pool and evaluator. They are ready when the app is ready, and are closed after the last request. */
export default fp<{ config: Config; pool: KernelPool | undefined }>(
  async (app, { config, pool = openPool(config) }) => {
    app.decorate('config', config);
    app.decorate('pool', pool);
    const { maxHeldBytes } = divideMemory(config.maxBytesInFlight);
    const evaluator = new Evaluator(pool, { ...config, maxHeldBytes });
    app.decorate('evaluator', evaluator);
    app.addHook('onReady', () => evaluator.ready());
    app.addHook('onClose', async () => {
      await Promise.all([pool.close(), evaluator.close()]);
    });
  },
  { name: 'evaluator' },
);
