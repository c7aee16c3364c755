import { expect, test } from 'vitest';
import { Arena } from '../../kernels/arena.ts';
import type { Bindings } from '../../kernels/bindings.ts';
import { compile } from '../../kernels/instance.ts';
import { Kernel } from '../../kernels/kernel.ts';
import { PlacedPair } from '../../kernels/pair.ts';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { encode } from '../rows.ts';
import { MSGPACK, Service } from '../service.ts';

const service = Service.start({ kernel: 'strict', inlineLogits: 2 ** 20 });
const names = Kernel.load('strict');

const DIVERGENCES: ReadonlySet<unknown> = new Set(['divergence', 'truncatedDivergence']);

const SCALES = [1, 0.5, 1e-30, 1e30];
const PAIRS = FLOAT_DTYPES.flatMap((logits) => FLOAT_DTYPES.map((reference) => [logits, reference] as const));

const rowOf = (dtype: FloatDType, values: number[]) => ({ dtype, shape: [1, 3], data: encode(dtype, values) });

/** Dtype of the kernel that is called to compute the divergence of a pair. */
function calledFor([logits, reference]: readonly [FloatDType, FloatDType], scale: number): FloatDType {
  const { bindings, memory } = compile('strict').make();
  const called: FloatDType[] = [];
  const recording = new Proxy(bindings, {
    get: (target, name) => {
      const kernel = Reflect.get(target, name) as (dtype: FloatDType, ...rest: unknown[]) => unknown;
      return (dtype: FloatDType, ...rest: unknown[]) => {
        if (DIVERGENCES.has(name)) called.push(dtype);
        return kernel.call(target, dtype, ...rest);
      };
    },
  }) satisfies Bindings;
  const block = {
    ...{ classes: 3, scale, targets: Int32Array.of(0) },
    logits: rowOf(logits, [1, 2, 0.5]),
    reference: rowOf(reference, [1, 1.5, 0]),
  };
  new PlacedPair({ bindings: recording, arena: new Arena(memory, bindings.heapBase()) }, block).compare({
    direction: 'forward',
  });
  expect(called).toHaveLength(1);
  return called[0]!;
}

test.each(PAIRS)('the answer names the kernel that compares %s logits with a %s reference', async (...pair) => {
  for (const logit_scale of SCALES) {
    const [logits, reference] = [rowOf(pair[0], [1, 2, 0.5]), rowOf(pair[1], [1, 1.5, 0])];
    const { body } = await service.post(
      { reference, logits, options: { logit_scale } },
      { type: MSGPACK, path: '/v1/kl-divergence' },
    );
    expect(body.kernel, `scale ${logit_scale}`).toBe(names.name(calledFor(pair, logit_scale)));
  }
});
