/** Checks the JSON examples of the docs that are neither generated (the gallery) nor printed by a command. */
import { expect, test } from 'vitest';
import { MSGPACK, Service } from '../service.ts';
import { readBlocks, readPages } from './pages.ts';

const service = Service.shared();
const blocks = readPages()
  .flatMap(readBlocks)
  .filter(({ language }) => language === 'json');

test('the problem of docs/errors.md is what the service answers', async () => {
  const { text } = blocks.find(({ place }) => place.startsWith('docs/errors.md:'))!;
  const { instance, ...promised } = JSON.parse(text) as { instance: string };
  const classes = 50_257;
  const logits = { dtype: 'float16', shape: [4, classes], data: new Uint8Array(2 * 4 * classes) };
  const label = [1, 2, 3, classes];
  const { type, body } = await service.post({ label, logits }, { type: MSGPACK });
  const { instance: given, ...answered } = body as unknown as { instance: string };
  expect(type).toBe('application/problem+json');
  expect(answered).toEqual(promised);
  const urn = /^urn:uuid:[\da-f-]{36}$/;
  expect([instance, given]).toEqual([expect.stringMatching(urn), expect.stringMatching(urn)]);
});

test('no page has JSON that nothing compares', () => {
  const pages = new Set(blocks.map(({ place }) => place.split(':')[0]!));
  expect([...pages].toSorted()).toEqual(['docs/diagnostics.md', 'docs/errors.md', 'docs/evaluate.md']);
  expect(blocks.filter(({ place }) => place.startsWith('docs/evaluate.md:'))).toHaveLength(1);
});
