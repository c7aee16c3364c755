import { describe, expect, test } from 'vitest';
import { isPair, isReferenceOnly, requestOfPair, requestOfTwo } from '../../dashboard/src/comparison/pair-request.ts';
import type { NamedFile } from '../../dashboard/src/comparison/pair-request.ts';
import { readTensorFile, writeTensorFile } from '../../dashboard/src/files/safetensors.ts';
import type { TensorFile } from '../../dashboard/src/files/safetensors.ts';
import { UnreadableFileError } from '../../dashboard/src/files/unreadable-file.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { readSafetensors, safetensorsFile, withHeader } from '../safetensors-file.ts';

const float32 = (...values: number[]): Tensor => ({
  dtype: 'float32',
  shape: [values.length / 2, 2],
  data: Buffer.from(new Float32Array(values).buffer),
});
const float64 = (...values: number[]): Tensor => ({
  ...float32(...values),
  dtype: 'float64',
  data: Buffer.from(new Float64Array(values).buffer),
});
const LABEL: Tensor = { dtype: 'uint8', shape: [2], data: Buffer.from([1, 0]) };
const OTHER_LABEL: Tensor = { ...LABEL, data: Buffer.from([0, 0]) };
const MASK: Tensor = { dtype: 'bool', shape: [2], data: Buffer.from([1, 0]) };

async function named(name: string, tensors: Record<string, Tensor>, options?: object): Promise<NamedFile> {
  const metadata = options && { options: JSON.stringify(options), note: 'free text' };
  const file = safetensorsFile(Object.entries(tensors), metadata);
  return { ...(await readTensorFile(new Blob([new Uint8Array(file)]), name)), name };
}

/** Reads a request that the page wrote. */
async function written(request: TensorFile) {
  const { tensors, metadata } = readSafetensors(Buffer.from(await writeTensorFile(request).arrayBuffer()));
  return { tensors, names: Object.keys(tensors), options: JSON.parse(metadata['options']!) as unknown };
}

const OUTPUTS = ['kl_divergence', 'top1_agreement'];

describe('two files', () => {
  test('are one request with the tensors of both', async () => {
    const logits = await named('a', { logits: float32(1, 2, 3, 4), label: LABEL, input_mask: MASK, weight: LABEL });
    const reference = await named('b', { label: OTHER_LABEL, logits: float32(5, 6, 7, 8) });
    const { tensors, names, options } = await written(requestOfTwo(logits, reference));
    expect(names).toEqual(['label', 'input_mask', 'reference', 'logits']);
    expect(tensors).toEqual({
      label: LABEL,
      input_mask: MASK,
      reference: float32(5, 6, 7, 8),
      logits: float32(1, 2, 3, 4),
    });
    expect(options).toEqual({ outputs: OUTPUTS });
  });

  test('are read with the tensor reference before the tensor logits of the second', async () => {
    const logits = await named('a', { logits: float32(1, 2) });
    const reference = await named('b', { logits: float32(3, 4), reference: float32(5, 6) });
    const { tensors } = await written(requestOfTwo(logits, reference));
    expect(tensors['reference']).toEqual(float32(5, 6));
  });

  test('have the labels of the reference where the logits have none', async () => {
    const logits = await named('a', { logits: float32(1, 2, 3, 4) });
    const reference = await named('b', { logits: float32(5, 6, 7, 8), label: LABEL });
    expect((await written(requestOfTwo(logits, reference))).tensors['label']).toEqual(LABEL);
  });

  test('have the larger side last, which streams', async () => {
    const logits = await named('a', { logits: float32(1, 2) });
    const reference = await named('b', { logits: float64(3, 4) });
    expect((await written(requestOfTwo(logits, reference))).names).toEqual(['logits', 'reference']);
    expect((await written(requestOfTwo(reference, logits))).names).toEqual(['reference', 'logits']);
  });

  test('keep the options that select rows', async () => {
    const logits = await named('a', { logits: float32(1, 2) }, { shift: 1, label_smoothing: 0.1, outputs: ['nll'] });
    const reference = await named('b', { logits: float32(3, 4) }, { shift: 0, ignore_index: 7 });
    const { options } = await written(requestOfTwo(logits, reference));
    expect(options).toEqual({ shift: 1, ignore_index: 7, outputs: OUTPUTS });
  });

  test('are refused where one has no logits', async () => {
    const logits = await named('a.safetensors', { label: LABEL });
    const reference = await named('b', { logits: float32(3, 4) });
    expect(() => requestOfTwo(logits, reference)).toThrow(
      new UnreadableFileError('expected the tensor logits in a.safetensors; its tensors are label'),
    );
    expect(() => requestOfTwo(reference, logits)).toThrow(/expected the tensor reference or logits in a.safetensors/);
  });

  test('may be logits and the top K of a teacher', async () => {
    const top = { 'reference.indices': LABEL, 'reference.logprobs': float32(-1, -2) };
    const reference = await named('b', top);
    const logits = await named('a', { logits: float64(1, 2) });
    expect([isReferenceOnly(reference), isReferenceOnly(logits)]).toEqual([true, false]);
    expect((await written(requestOfTwo(logits, reference))).names).toEqual([...Object.keys(top), 'logits']);
  });
});

test('a file of both sets keeps the options of a comparison', async () => {
  const tensors = { logits: float32(1, 2), reference: float32(3, 4) };
  const file = await named('both', tensors, { direction: 'reverse', outputs: ['nll'] });
  const { names, options } = await written(requestOfPair(file));
  expect([isPair(file), isReferenceOnly(file), names]).toEqual([true, false, ['reference', 'logits']]);
  expect(options).toEqual({ direction: 'reverse', outputs: OUTPUTS });
  expect(isPair(await named('one', { logits: float32(1, 2), label: LABEL }))).toBe(false);
});

test.each([
  ['[1]', /expected an object as JSON in __metadata__.options of a$/],
  ['{', /expected an object as JSON/],
])('options of %s are refused', async (options, message) => {
  const file = safetensorsFile([['logits', float32(1, 2)]], { options });
  const read = { ...(await readTensorFile(new Blob([new Uint8Array(file)]), 'a')), name: 'a' };
  expect(() => requestOfTwo(read, read)).toThrow(message);
});

test('tensors are slices of the file: nothing but the header is read', async () => {
  const file = new Blob([new Uint8Array(safetensorsFile([['logits', float32(1, 2, 3, 4)]]))]);
  const { tensors } = await readTensorFile(file, 'a');
  expect(tensors.get('logits')!.bytes).toBeInstanceOf(Blob);
  expect(new Float32Array(await tensors.get('logits')!.bytes.arrayBuffer())).toEqual(new Float32Array([1, 2, 3, 4]));
});

test.each([
  ['is short', Buffer.from('abc'), 'it has 3 bytes'],
  ['has a header beyond its end', Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]), 'its header has 9 bytes'],
  ['has text for a header', withHeader('notes'), 'its header is not JSON'],
  ['has a list for a header', withHeader('[]'), 'its header is not an object'],
  [
    'has offsets that turn back',
    withHeader('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}'),
    'its header describes a as',
  ],
  ['has null for a tensor', withHeader('{"a":null}'), 'its header describes a as null'],
  ['is truncated', safetensorsFile([['logits', float32(1, 2)]]).subarray(0, -1), 'it is truncated'],
])('a file that %s is refused', async (_what, bytes, detail) => {
  const read = readTensorFile(new Blob([new Uint8Array(bytes)]), 'a.safetensors');
  await expect(read).rejects.toThrow(UnreadableFileError);
  await expect(read).rejects.toThrow(`a.safetensors is not a safetensors file: `);
  await expect(read).rejects.toThrow(detail);
});
