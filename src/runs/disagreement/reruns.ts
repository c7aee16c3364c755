/** Micro-batches of a step that were computed more than once. */
import { hasSameLabels, isSameContent, lossOfBatch, relativeDifference } from '../batch-facts.ts';
import type { BatchFact, BatchFacts, PlaceInStep } from '../batch-facts.ts';
import { firstDifferingRow } from './row-losses.ts';

/** Most attempts of a step that are compared. These are the last attempts. */
const MOST_ATTEMPTS = 32;

/**
 * Verdict of reruns on a result. `transient`: the same device gave a different result. `persistent`: the same device gave
 * the same result, and another device gave a different result. `correct`: another device gave the same result. Megatron's
 * rerun state machine has the same verdicts.
 */
type Verdict = 'transient' | 'persistent' | 'correct' | 'undetermined';

/** A micro-batch that was computed more than once. */
export interface Rerun extends PlaceInStep {
  attempts: BatchFact[];
  sameBits: boolean;
  /** Undefined when labels are unknown. */
  sameLabels: boolean | undefined;
  /** Largest relative difference from the loss of the first attempt. */
  relativeDifference: number;
  /** Undefined when row losses are not stored, or no row differs. */
  firstDifferingRow: number | undefined;
  verdict: Verdict;
}

export interface RerunPage {
  reruns: Rerun[];
  /** Place of the next micro-batch; undefined after the last. */
  next: PlaceInStep | undefined;
}

/**
 * Micro-batches of a step that were recorded in several attempts, from a place on.
 * @param tolerance relative difference up to which two losses count as the same result
 */
export async function readReruns(
  facts: BatchFacts,
  { step, ...from }: PlaceInStep & { step: number },
  { limit, tolerance }: { limit: number; tolerance: number },
): Promise<RerunPage> {
  const attempts = await facts.attemptsAt(step, MOST_ATTEMPTS);
  if (attempts.length < 2) return { reruns: [], next: undefined };
  const pages = await Promise.all(attempts.map((attempt) => facts.batches({ step, attempt }, from, limit + 1)));
  // The pages of all attempts are complete up to the least place at which a page was cut.
  const cuts = pages.filter((page) => page.length > limit).map((page) => page.at(-1)!);
  const horizon = cuts.toSorted(byPlace)[0];
  const known = pages.flat().filter((batch) => horizon === undefined || byPlace(batch, horizon) < 0);
  const groups = [...Map.groupBy(known.toSorted(byPlace), nameOf).values()].filter((group) => group.length > 1);
  const reruns: Rerun[] = [];
  for (const group of groups.slice(0, limit)) reruns.push(await judge(facts, group, tolerance));
  return { reruns, next: groups[limit]?.[0] ?? horizon };
}

const byPlace = (a: PlaceInStep, b: PlaceInStep): number => a.rank - b.rank || a.microBatch - b.microBatch;

const nameOf = ({ rank, microBatch }: PlaceInStep): string => `${rank} ${microBatch}`;

async function judge(facts: BatchFacts, attempts: BatchFact[], tolerance: number): Promise<Rerun> {
  const first = attempts[0]!;
  const others = attempts.slice(1);
  const different = others.find((other) => !isSameContent(first, other));
  const labels = new Set(others.map((other) => hasSameLabels(first, other)));
  const differences = others.map((other) => relativeDifference(lossOfBatch(first), lossOfBatch(other)));
  return {
    rank: first.rank,
    microBatch: first.microBatch,
    attempts,
    sameBits: different === undefined,
    sameLabels: labels.has(false) ? false : labels.has(undefined) ? undefined : true,
    relativeDifference: differences.reduce(greaterOf, 0),
    firstDifferingRow: different && (await firstDifferingRow([facts, first], [facts, different]))?.row,
    verdict: labels.has(false) ? 'undetermined' : verdictOf(attempts, tolerance),
  };
}

/** The difference that is farther from 0; NaN, the difference of a loss that is not a number, counts as the farthest. */
const greaterOf = (most: number, one: number): number =>
  Number.isNaN(most) || Math.abs(one) <= Math.abs(most) ? most : one;

/** @param attempts of a batch whose labels are not known to differ */
function verdictOf(attempts: readonly BatchFact[], tolerance: number): Verdict {
  const isSame = (a: BatchFact, b: BatchFact): boolean =>
    isSameContent(a, b) || Math.abs(relativeDifference(lossOfBatch(a), lossOfBatch(b))) <= tolerance;
  const devices = [
    ...Map.groupBy(
      attempts.filter(({ device }) => device !== undefined),
      ({ device }) => device,
    ).values(),
  ];
  if (devices.some(([first, ...again]) => again.some((other) => !isSame(first!, other)))) return 'transient';
  if (devices.length < 2) return 'undetermined';
  const results = devices.map(([first]) => first!);
  if (results.every((result) => isSame(results[0]!, result))) return 'correct';
  return devices.some((own) => own.length > 1) ? 'persistent' : 'undetermined';
}
