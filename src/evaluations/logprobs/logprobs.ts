import { refuse } from '../../errors.ts';
import type { LogprobComparison } from '../../contract/logprobs.ts';
import type { Steps } from '../../steps.ts';
import { pointerTo, showValue } from '../../suggestion.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import type { FieldsKind } from '../kind.ts';
import { compareTokens } from './comparison.ts';
import { readTokens } from './tokens.ts';

function* answerFields(fields: Readonly<Record<string, unknown>>, held: HeldBytesAccount): Steps<LogprobComparison> {
  requireNoOptions(fields['options']);
  return yield* compareTokens(yield* readTokens(fields, held));
}

/** Refuses options, which every reader accepts as a field. @throws LossmeterError invalid_option */
function requireNoOptions(options: unknown): void {
  if (options === undefined || options === null) return;
  const name = typeof options === 'object' ? Object.keys(options)[0] : undefined;
  if (name === undefined && typeof options === 'object') return;
  const pointer = name === undefined ? '/options' : pointerTo('options', name);
  throw refuse(
    'invalid_option',
    pointer,
    `options is ${showValue(options)}, expected none: this comparison has no options`,
  );
}

/** Comparison of the log-probabilities that two sides gave for the same tokens. */
export const LOGPROB_COMPARISON: FieldsKind<LogprobComparison> = {
  fields: { tensors: ['old', 'new', 'input_mask', 'segments'], required: ['old', 'new'], values: [], options: [] },
  answerFields,
};
