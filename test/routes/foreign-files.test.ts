/** Files of other formats that are posted unchanged. */
import { expect, test } from 'vitest';
import { FOREIGN_FILES } from '../foreign-files.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

const service = Service.start({ maxJsonBytes: 1000 });

const TYPES = [JSON_TYPE, MSGPACK, 'application/vnd.safetensors', 'application/octet-stream'];
const PATHS = ['/v1/cross-entropy', '/v1/cross-entropy/partials', '/v1/diagnose'];

test.each(Object.entries(FOREIGN_FILES))('%s is named for what it is', async (_name, { bytes, kind }) => {
  for (const path of PATHS) {
    for (const type of TYPES) {
      const { status, body } = await service.post(bytes, { type, path });
      expect([status, body.code], `${type} ${path}`).toEqual([400, 'malformed_body']);
      const expected = type === 'application/octet-stream' ? 'application/vnd.safetensors' : type;
      expect(body.detail).toContain(`the body is ${kind}, expected ${expected}`);
    }
  }
});

test('a file is named where bodies have no logits, and in Open Inference', async () => {
  const { bytes, kind } = FOREIGN_FILES['batch.npz']!;
  for (const type of [JSON_TYPE, MSGPACK]) {
    const { body } = await service.post(bytes, { type, path: '/v1/cross-entropy/combine' });
    expect(body.detail).toContain(kind);
  }
  const answer = await service.post(bytes, { path: '/v2/models/cross_entropy/infer' });
  expect([answer.status, JSON.stringify(answer.body)]).toEqual([400, expect.stringContaining(kind)]);
});

test('a file is named that is larger than its media type may be', async () => {
  const { bytes, kind } = FOREIGN_FILES['batch.npz']!;
  const large = await service.post(Buffer.concat([bytes, Buffer.alloc(2000)]));
  expect([large.status, large.body.detail]).toEqual([400, expect.stringContaining(kind)]);
});

test('what is wrong with other bodies is said as before', async () => {
  const { body } = await service.post('PK is no JSON');
  expect(body.detail).toContain('is not JSON');
  const empty = await service.post(Buffer.of(0x80), { type: MSGPACK });
  expect(empty.body.code).toBe('missing_field');
});
