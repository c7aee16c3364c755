import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { Evaluator } from '../../pipeline/evaluator.ts';
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
    // Slabs fill what they may: apart, they leave room for what requests hold.
    const maxSlabBytes = Math.floor(config.maxBytesInFlight / 4);
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
    const evaluator = new Evaluator(pool, { ...config, maxHeldBytes: config.maxBytesInFlight - maxSlabBytes });
    app.decorate('evaluator', evaluator);
    app.addHook('onReady', () => evaluator.ready());
    app.addHook('onClose', async () => {
      await Promise.all([pool.close(), evaluator.close()]);
    });
  },
  { name: 'evaluator' },
);
