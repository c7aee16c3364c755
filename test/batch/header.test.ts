import { expect, test } from 'vitest';
import { makeHeader } from '../../src/batch/header.ts';

const STREAMED = { name: 'logits', dtype: 'float32', shape: [1, 2] } as const;
const LABEL = { dtype: 'int32', shape: [1], data: new Uint8Array(4) };

test('the header has the tensors by their fields; null means absent', () => {
  const { label, inputMask, weight, logits, numpyArrays, nulls } = makeHeader({
    streamed: STREAMED,
    before: [],
    fields: { label: LABEL, input_mask: null },
  });
  expect({ label, inputMask, weight }).toEqual({ label: LABEL, inputMask: undefined, weight: undefined });
  expect(logits).toEqual({ dtype: 'float32', shape: [1, 2] });
  expect([numpyArrays, nulls]).toEqual([false, 0]);
});

test('entries that came as null are counted over logits and label', () => {
  const { nulls } = makeHeader({ streamed: { ...STREAMED, nulls: 2 }, before: [], fields: { label: [[0.5, null]] } });
  expect(nulls).toBe(3);
});

test('options stay as they came', () => {
  const options = { reduction: 'sum' };
  expect(makeHeader({ streamed: STREAMED, before: [], fields: { options } }).options).toBe(options);
});

test('a tensor that is none is refused with its field', () => {
  expect(() => makeHeader({ streamed: STREAMED, before: [], fields: { weight: 'heavy' } })).toThrow(
    'weight is "heavy"',
  );
});
