/** Evaluates requests of a kind with the kernels, without a pipeline. */
import { afterAll } from 'vitest';
import { KernelPool } from '../../src/engine/pool.ts';
import type { Kind, Plan } from '../../src/evaluations/kind.ts';
import { runAtOnce } from '../../src/steps.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import type { ReadRequest } from '../../src/wire/request.ts';

const slabs = { slabBytes: 2 ** 16, maxRowBytes: 2 ** 20, maxSlabBytes: 2 ** 24 };
const pool = new KernelPool({ workers: 1, kernel: 'strict', inlineLogits: 2 ** 20, ...slabs });
afterAll(() => pool.close());

/** Makes a request for float32 logits in the shape of the rows. */
function requestOf(rows: readonly (readonly number[])[], fields: ReadRequest['fields']): ReadRequest {
  const shape = [rows.length, rows[0]!.length];
  return { streamed: { name: 'logits', dtype: 'float32', shape }, before: [], fields };
}

/** Plans a request, writes its rows, and makes the answer. @returns the answer, and the bytes that the plan holds */
export async function evaluated<P extends Plan, A>(
  kind: Kind<P, A>,
  rows: readonly (readonly number[])[],
  fields: ReadRequest['fields'],
): Promise<{ answer: A; held: number }> {
  const heldBytes = new HeldBytes(2 ** 24);
  const plan = runAtOnce(kind.plan(pool, requestOf(rows, fields), heldBytes.open()));
  await plan.intake.write(new Uint8Array(Float32Array.from(rows.flat()).buffer));
  return { answer: runAtOnce(kind.answer(plan, await plan.writer.finish())), held: heldBytes.held };
}
