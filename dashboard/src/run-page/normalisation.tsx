import type { StepDetail } from '../api/types.ts';
import { formatLoss } from '../format/numbers.ts';
import { DetailNumbers } from '../ui/detail-numbers.tsx';

/** Averages of a step's loss that trainers often confuse. */
export function Normalisation({ of }: { of: StepDetail['normalisation'] & {} }) {
  return (
    <section class="detail-part" aria-labelledby="normalisation-title">
      <h3 id="normalisation-title">Normalisation</h3>
      <DetailNumbers
        numbers={[
          ['Token mean', formatLoss(of.token_mean)],
          ['Mean of means', formatLoss(of.mean_of_means)],
          ['Mean of rank means', formatLoss(of.mean_of_rank_means)],
          ['Relative difference', formatLoss(of.relative_difference)],
        ]}
      />
    </section>
  );
}
