import { expect, test } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { Service } from '../service.ts';

const service = Service.start({ maxJsonBytes: 4096 });

test.each([
  ['/livez', { live: true }],
  ['/readyz', { ready: true }],
])('%s answers %j', async (path, expected) => {
  const response = await service.get(path);
  expect([response.status, await response.json()]).toEqual([200, expected]);
});

test('/v1/info says what the service can do', async () => {
  expect(await (await service.get('/v1/info')).json()).toMatchObject({
    name: 'lossmeter',
    version: VERSION,
    kernel: 'relaxed',
    workers: 1,
    dtypes: { logits: ['float16', 'bfloat16', 'float32', 'float64', 'float8_e4m3fn', 'float8_e5m2'] },
    media_types: { request: expect.arrayContaining(['application/vnd.msgpack', 'application/json']) as string[] },
    options: expect.arrayContaining(['reduction', 'ignore_index']) as string[],
    limits: { max_json_bytes: 4096 },
  });
});
