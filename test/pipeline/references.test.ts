import { expect, test } from 'vitest';
import { openLogitFile, openReference, readReferences } from '../../src/pipeline/references.ts';
import type { FileTensor } from '../../src/tensor/file-tensor.ts';
import type { LogitFileRows } from '../../src/tensor/logit-file-rows.ts';
import { runWaiting } from '../../src/waiting.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';

const REFERENCE = { file: 'a.safetensors', tensor: 'y' };
const TENSOR: FileTensor = {
  dtype: 'int32',
  shape: [2],
  range: { fd: -1, name: 'a.safetensors', position: 0, byteLength: 8 },
  read: async () => new Uint8Array(8),
};
const tensors = ['label', 'weight'] as const;
const files = { open: async () => TENSOR };

test('fields without references are returned as they are, at once', () => {
  const fields = { label: [1], options: { file: 'no tensor' } };
  expect(runWaiting(readReferences(fields, { tensors, held: new HeldBytes(0).open(), files }))).toBe(fields);
});

test('the tensors of references are read, on the account of the request', async () => {
  const heldBytes = new HeldBytes(100);
  const read = await runWaiting(
    readReferences({ label: REFERENCE, weight: [1] }, { tensors, held: heldBytes.open(), files }),
  );
  expect(read).toEqual({ label: { dtype: 'int32', shape: [2], data: new Uint8Array(8) }, weight: [1] });
  expect(heldBytes.held).toBe(8);
});

test('a tensor that is more than may be held is not read', async () => {
  const reading = runWaiting(readReferences({ label: REFERENCE }, { tensors, held: new HeldBytes(7).open(), files }));
  await expect(reading).rejects.toMatchObject({ code: 'body_too_large' });
});

test.each([
  [{ file: 'a' }, 'label has no tensor: expected the name of a tensor'],
  [{ ...REFERENCE, shape: [2] }, 'unknown key "shape" in label, which names a file'],
])('the reference %j is refused', (value, says) => {
  expect(() => openReference('label', value, { files })).toThrow(says);
});

const ROWS: Omit<LogitFileRows, 'readLabels'> = {
  chunks: 2,
  rowsPerChunk: 3,
  classes: 5,
  range: { fd: -1, name: 'base.kld', position: 84, byteLength: 120 },
};

/** A logit file of six rows that counts how often its labels are read. */
function logitFiles() {
  let readings = 0;
  const readLabels = async (): Promise<Int32Array<ArrayBuffer>> => new Int32Array(6).fill(++readings);
  return {
    openLogitFile: async (): Promise<LogitFileRows> => ({ ...ROWS, readLabels }),
    get readings(): number {
      return readings;
    },
  };
}

test('the labels of a logit file are read, on the account of the request', async () => {
  const heldBytes = new HeldBytes(24);
  const opening = openLogitFile('reference', { kld_file: 'base.kld' }, { files: logitFiles(), held: heldBytes.open() });
  expect(await runWaiting(opening)).toEqual({ ...ROWS, labels: new Int32Array(6).fill(1) });
  expect(heldBytes.held).toBe(24);
});

test('labels that are more than may be held are not read', async () => {
  const opened = logitFiles();
  const held = new HeldBytes(23).open();
  const opening = runWaiting(openLogitFile('reference', { kld_file: 'base.kld' }, { files: opened, held }));
  await expect(opening).rejects.toMatchObject({ code: 'body_too_large' });
  expect(opened.readings).toBe(0);
});
