import { MaskedSums, SequenceWalk } from '../statistics/sequences.ts';
import type { SequenceFacts } from '../statistics/sequences.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import type { CountedRows } from './moments.ts';
import type { ComparedResults } from './summary.ts';

/** Rows of a step: the six exact sums of a row take up to 2 µs. */
const ROWS_PER_STEP = 2048;

/** Results for the labels of a sequence under one side. */
interface SideResult {
  readonly mean_nll: number | null;
  readonly perplexity: number | null;
}

/** Results of a sequence of compared rows; null when it has no counted rows. */
export interface ComparedSequence {
  readonly tokens: number;
  readonly numerator: number | null;
  readonly denominator: number | null;
  readonly mean: number | null;
  readonly logits?: SideResult;
  readonly reference?: SideResult;
}

type Values = Pick<ComparedResults, 'divergence' | 'nll' | 'referenceNll'>;

/** Results of each sequence, in order. */
export function* compareSequences(
  { rows, masks }: CountedRows,
  { divergence, nll, referenceNll }: Values,
  { count, lengthOf }: Pick<SequenceFacts, 'count' | 'lengthOf'>,
): Steps<ComparedSequence[]> {
  const open = (): Sides => ({
    divergence: new MaskedSums(),
    ...(nll && { logits: new MaskedSums() }),
    ...(referenceNll && { reference: new MaskedSums() }),
  });
  const closed: ComparedSequence[] = [];
  let current = open();
  const closeUpTo = (sequence: number): void => {
    while (closed.length < sequence) {
      closed.push(resultOf(current));
      current = open();
    }
  };
  const walk = new SequenceWalk(lengthOf);
  const add = (from: number, to: number): void => {
    for (let k = from; k < to; k++) {
      const row = rows[k]!;
      const m = masks?.[row] ?? 1;
      closeUpTo(walk.at(row));
      current.divergence.add(m, divergence[row]!);
      current.logits?.add(m, nll![row]!);
      current.reference?.add(m, referenceNll![row]!);
    }
  };
  yield* inSteps(rows.length, add, ROWS_PER_STEP);
  closeUpTo(count);
  return closed;
}

/** Sums of a sequence: of its divergences, and with labels of the nll of both sides. */
interface Sides {
  readonly divergence: MaskedSums;
  readonly logits?: MaskedSums;
  readonly reference?: MaskedSums;
}

function resultOf({ divergence, logits, reference }: Sides): ComparedSequence {
  const { tokens, numerator, denominator, mean } = divergence;
  const sides = { ...(logits && { logits: sideOf(logits) }), ...(reference && { reference: sideOf(reference) }) };
  return tokens === 0
    ? { tokens, numerator: null, denominator: null, mean: null, ...sides }
    : { tokens, numerator, denominator, mean, ...sides };
}

function sideOf({ tokens, mean }: MaskedSums): SideResult {
  return tokens === 0 ? { mean_nll: null, perplexity: null } : { mean_nll: mean, perplexity: Math.exp(mean) };
}
