/** Limit of the zstd frames of a body. */
import { zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodeRequest, JSON_TYPE, Service } from '../service.ts';

const service = Service.start({ maxBodyBytes: 2 ** 20 });

const TEXT = Buffer.from(
  encodeRequest({ label: [2, 0], logits: { dtype: 'float32', shape: [2, 3], data: [1, 2, 3, 0, 0, 0] } }, JSON_TYPE),
);

test('many frames of zstd that become hardly anything are refused, and fewer are read', async () => {
  const headers = { 'content-encoding': 'zstd' };
  const space = zstdCompressSync(Buffer.from(' '));
  const tiny = Buffer.concat([...Array.from({ length: 66_000 }, () => space), zstdCompressSync(TEXT)]);
  const refused = await service.post(tiny, { headers });
  expect([refused.status, refused.body.code]).toEqual([413, 'body_too_large']);
  expect(refused.body.detail).toContain('more than 65536 frames in addition to one per 1024 decompressed bytes');
  const few = tiny.subarray(space.byteLength * 1000);
  expect((await service.post(few, { headers })).status).toBe(200);
});
