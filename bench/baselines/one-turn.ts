/**
 * Baseline for an evaluation: a Fastify route that buffers a small body. It decodes, evaluates and answers in one turn
 * of the event loop, with the service's own kernels, reduction and JSON. It lacks the service's other features: bounds,
 * admission, diagnosis of invalid bodies, metrics.
 */
import Fastify from 'fastify';
import { Unpackr } from 'msgpackr';
import { loadConfig } from '../../src/environment.ts';
import { evaluated, planBatch } from '../../src/evaluations/cross-entropy/plan.ts';
import { makeHeader } from '../../src/batch/header.ts';
import { report } from '../../src/batch/report.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { runAtOnce } from '../../src/steps.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import { stringify } from '../../src/wire/json-text/stringify.ts';

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const pool = new KernelPool({ ...loadConfig({}), workers: 1, maxSlabBytes: 2 ** 24 });
const held = new HeldBytes(2 ** 24);
await pool.ready();

const app = Fastify();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.get('/readyz', () => ({ ready: true }));
app.post('/v1/cross-entropy', async (request, reply) => {
  const { label, logits } = unpackr.unpack(request.body as Buffer) as Record<'label' | 'logits', Tensor>;
  const account = held.open();
  const { dtype, shape } = logits;
  const batch = runAtOnce(
    planBatch(pool, makeHeader({ streamed: { name: 'logits', dtype, shape }, before: [], fields: { label } }), account),
  );
  await batch.writer.write(logits.data);
  const answer = runAtOnce(report(evaluated(batch, await batch.writer.finish())));
  account.close();
  return reply.type('application/json').send(stringify(answer));
});
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) });
