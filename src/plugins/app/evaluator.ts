import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { Evaluator } from '../../pipeline/evaluator.ts';
import { divideMemory } from '../../pipeline/memory-shares.ts';
import { KernelPool } from '../../engine/pool.ts';

declare module 'fastify' {
  interface FastifyInstance {
    readonly pool: KernelPool;
    readonly evaluator: Evaluator;
    readonly config: Config;
  }
}

/** The kernels and what evaluates with them: ready when the app is, ended after the last request. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const { maxSlabBytes, maxHeldBytes } = divideMemory(config.maxBytesInFlight);
    const pool = new KernelPool({
      workers: config.workers,
      kernel: config.kernel,
      slabBytes: config.slabBytes,
      maxRowBytes: config.maxRowBytes,
      maxSlabBytes,
      inlineLogits: config.inlineLogits,
    });
    app.decorate('config', config);
    app.decorate('pool', pool);
    const evaluator = new Evaluator(pool, { ...config, maxHeldBytes });
    app.decorate('evaluator', evaluator);
    app.addHook('onReady', () => evaluator.ready());
    app.addHook('onClose', async () => {
      await Promise.all([pool.close(), evaluator.close()]);
    });
  },
  { name: 'evaluator' },
);
