import type { Batch } from '../batch/rows.ts';
import type { RowResults } from '../engine/block-writer.ts';
import type { KernelPool } from '../engine/pool.ts';
import type { Steps } from '../steps.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import type { ReadRequest } from '../wire/request.ts';
import type { RequestFields } from '../wire/request-fields.ts';

/** Parts of a plan that all kinds have. */
export type Plan = Pick<Batch, 'writer' | 'intake' | 'numpyArrays'>;

/** A kind of evaluation: the fields of its requests, and the functions that turn them into an answer. */
export interface Kind<P extends Plan, A> {
  readonly fields: RequestFields;
  /**
   * Checks everything that can be checked before the rows arrive.
   * @param held accounts for the memory that the plan takes
   * @throws LossmeterError
   */
  plan(pool: KernelPool, request: ReadRequest, held: HeldBytesAccount): Steps<P>;
  /** Makes the answer from the results of all rows. @throws LossmeterError */
  answer(plan: P, rows: RowResults): Steps<A>;
  /** Answers a request without a streamed tensor, if the kind has such requests. @throws LossmeterError */
  answerFields?(fields: Readonly<Record<string, unknown>>, held: HeldBytesAccount): Steps<A>;
}

/** A kind of evaluation whose requests have no streamed tensor. It has neither plan nor rows. */
export interface FieldsKind<A> extends Pick<Required<Kind<Plan, A>>, 'fields' | 'answerFields'> {
  readonly plan?: undefined;
}
