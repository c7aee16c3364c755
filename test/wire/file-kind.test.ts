import { expect, test } from 'vitest';
import { KIND_BYTES, kindOfFile } from '../../src/wire/file-kind.ts';
import { FOREIGN_FILES } from '../foreign-files.ts';
import { safetensorsFile } from '../safetensors-file.ts';

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
