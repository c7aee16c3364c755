import { expect, test } from 'vitest';
import { LOSS_TENSORS } from '../../src/batch/header.ts';
import { COMPARISON_TENSORS, EVALUATION_TENSORS } from '../../src/contract/jobs.ts';
import { COMPARED_TENSORS } from '../../src/pipeline/compare-files.ts';

test('tensors that jobs name are those that files have', () => {
  expect([...EVALUATION_TENSORS].toSorted()).toEqual([...LOSS_TENSORS].toSorted());
  expect([...COMPARISON_TENSORS].toSorted()).toEqual([...COMPARED_TENSORS].toSorted());
});
