import { STATISTIC_OUTPUTS, requestStatistics } from '../statistics/list.ts';
import type { StatisticName } from '../statistics/list.ts';
import type { Term } from '../statistics/statistic.ts';
import type { Options } from './options.ts';
import type { Targets } from './targets.ts';

/** Statistics that the loss, outputs and metrics of a batch need. No other statistics are computed. */
export function statisticsOf(
  options: Options,
  { probabilities, classWeights }: Pick<Targets, 'probabilities' | 'classWeights'>,
): readonly StatisticName[] {
  const terms: Term[] = ['loss'];
  if (options.label_smoothing > 0) terms.push('smoothing');
  if (options.lse_square_scale > 0) terms.push('z_loss');
  if (probabilities !== undefined && classWeights !== undefined) terms.push('weighted_probabilities');
  if (options.check_for_nan_in_loss_and_grad) terms.push('gradient_norm');
  if (options.outputs.includes('sequences')) terms.push('sequences');
  return requestStatistics(terms, options);
}

/** True when rows that are left out need their statistics too: an output has an entry for every row. */
export function needsEveryRow({ outputs }: Options): boolean {
  const described: Readonly<Record<string, { everyRow?: boolean }>> = STATISTIC_OUTPUTS;
  return outputs.some((name) => described[name]?.everyRow === true);
}
