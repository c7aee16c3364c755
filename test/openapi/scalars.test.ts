import { Value } from '#typebox';
import { expect, test } from 'vitest';
import { CrossEntropyRequest } from '../../src/contract/cross-entropy.ts';
import { ComparisonRequest } from '../../src/contract/kl-divergence.ts';
import { LogprobRequest } from '../../src/contract/logprobs.ts';
import { TENSORS, isTensorName } from '../../src/wire/request-fields.ts';

/** Fields that cannot be a single number: the mask of tokens has the shape of their log-probabilities. */
const NEVER_ALONE: ReadonlySet<string> = new Set(['LogprobRequest.input_mask']);

const FIELDS = Object.entries({ CrossEntropyRequest, ComparisonRequest, LogprobRequest }).flatMap(([title, request]) =>
  Object.entries(request.properties).map(([field, schema]) => ({ name: `${title}.${field}`, field, schema })),
);

test.each(FIELDS.filter(({ field }) => isTensorName(field)))(
  '$name may be a number where the service reads one',
  (one) => {
    const isRead = isTensorName(one.field) && TENSORS[one.field].scalar === true;
    expect(Value.Check(one.schema, 1)).toBe(isRead && !NEVER_ALONE.has(one.name));
  },
);
