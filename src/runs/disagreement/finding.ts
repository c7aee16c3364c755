/** Findings about the batches of a step that do not agree with each other. */
import type { Disagreement } from '../../contract/disagreement.ts';
import type { PlaceInStep } from '../batch-facts.ts';

export type Finding = Disagreement;

/** Most ranks, and most micro-batches, that a finding names. */
export const MOST_RANKS = 1024;
const MOST_PLACES = 64;

/** Names of ranks for a sentence. */
export function nameRanks(ranks: readonly number[]): string {
  const shown = ranks.slice(0, 8).join(', ');
  return `${ranks.length === 1 ? 'rank' : 'ranks'} ${shown}${ranks.length > 8 ? ` and ${ranks.length - 8} more` : ''}`;
}

/** The places of a finding, and their ranks. */
export function placesOf(places: readonly PlaceInStep[]): Pick<Finding, 'ranks' | 'micro_batches'> {
  return {
    ranks: [...new Set(places.map(({ rank }) => rank))].slice(0, MOST_RANKS),
    micro_batches: places.slice(0, MOST_PLACES).map(({ rank, microBatch }) => ({ rank, micro_batch: microBatch })),
  };
}
