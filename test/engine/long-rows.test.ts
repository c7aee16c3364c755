import { expect, test } from 'vitest';
import { encode } from '../rows.ts';
import { MSGPACK, Service } from '../service.ts';

const service = Service.start({ workers: 2, maxBytesInFlight: 2 ** 28 });

const CLASSES = 4_000_000;

test('rows whose kernels take more than all slabs are evaluated one after another, and leave nothing behind', async () => {
  const logits = { dtype: 'float16', shape: [3, CLASSES], data: encode('float16', new Float64Array(3 * CLASSES)) };
  const label = { dtype: 'int32', shape: [3], data: new Uint8Array(12) };
  const options = { softcap: 30, check_for_nan_in_loss_and_grad: true };
  const { status, body } = await service.post({ options, label, logits }, { type: MSGPACK });
  expect(status).toBe(200);
  expect(body.loss).toBeCloseTo(Math.log(CLASSES), 6);
  const metrics = await (await service.get('/metrics')).text();
  expect(metrics).toMatch(/slab\S* 0\n/);
});
