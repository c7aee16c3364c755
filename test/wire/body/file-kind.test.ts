import { expect, test } from 'vitest';
import { KIND_BYTES, kindOfFile } from '../../../src/wire/body/file-kind.ts';
import { FOREIGN_FILES } from '../../foreign-files.ts';
import { safetensorsFile } from '../../safetensors-file.ts';

test.each(Object.entries(FOREIGN_FILES))('%s is told by its first bytes', (_name, { bytes, kind }) => {
  expect(kindOfFile(bytes.subarray(0, KIND_BYTES))?.kind).toBe(kind);
  for (let length = 0; length < KIND_BYTES; length++) expect(() => kindOfFile(bytes.subarray(0, length))).not.toThrow();
});

test.each([
  ['safetensors', safetensorsFile([['logits', { dtype: 'float32', shape: [1], data: new Uint8Array(4) }]])],
  ['JSON', Buffer.from('{"logits": [[1]]}')],
  ['MessagePack', Buffer.of(0x82, 0xa6)],
  ['an empty map of MessagePack', Buffer.of(0x80)],
  ['nothing', Buffer.alloc(0)],
])('%s is no other kind', (_name, bytes) => {
  expect(kindOfFile(bytes)).toBeUndefined();
});

test.each([640, 896, 1152, 1408])('a safetensors file with a header of %d bytes is no pickle', (length) => {
  const file = Buffer.alloc(200, ' ');
  file.writeBigUInt64LE(BigInt(length));
  file.write('{', 8);
  for (const end of [KIND_BYTES, 9, 8, 4, 2]) expect(kindOfFile(file.subarray(0, end))).toBeUndefined();
});
