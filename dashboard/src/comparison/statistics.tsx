import { formatLoss, formatPercent } from '../format/numbers.ts';
import type { Comparison } from './compare-files.ts';

/** Number, or null when it is undetermined. */
type Determined = number | null;

interface Line {
  readonly name: string;
  readonly value: Determined;
  /** Standard error; absent for lines without one, null when it is undetermined. */
  readonly error?: Determined;
}

interface Group {
  readonly title: string;
  readonly format: (value: number | undefined) => string;
  readonly lines: readonly Line[];
}

/** Statistics of a comparison as tables. Perplexities and Δp require labels. */
export function Statistics({ comparison }: { comparison: Comparison }) {
  return (
    <div class="statistics">
      {groupsOf(comparison).map(({ title, format, lines }) => (
        <table key={title}>
          <caption>{title}</caption>
          <thead class="hidden">
            <tr>
              <th scope="col">Statistic</th>
              <th scope="col">Value</th>
              <th scope="col">Standard error</th>
            </tr>
          </thead>
          <tbody>
            {lines.map(({ name, value, error }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{format(value ?? undefined)}</td>
                <td class="number muted">{typeof error === 'number' && `± ${format(error)}`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </div>
  );
}

function groupsOf({
  kl_divergence: kl,
  top1_agreement: top,
  perplexity,
  probability_difference: difference,
}: Comparison): Group[] {
  const groups: Group[] = [
    {
      title: 'KL divergence, nats',
      format: formatLoss,
      lines: [{ name: 'Mean', value: kl.mean, error: kl.standard_error }, ...distributionOf(kl)],
    },
    {
      title: 'Most probable class',
      format: formatPercent,
      lines: [{ name: 'Same on both sides', value: top.fraction, error: top.standard_error }],
    },
  ];
  if (perplexity !== undefined) {
    const { logits, reference, ratio, log_ratio: logRatio, difference: perplexityDifference, correlation } = perplexity;
    const lines = Object.entries({
      'Of the logits': logits,
      'Of the reference': reference,
      Ratio: ratio,
      'Logarithm of the ratio': logRatio,
      Difference: perplexityDifference,
    }).map(([name, { value, standard_error: error }]) => ({ name, value, error }));
    groups.push({
      title: 'Perplexity',
      format: formatLoss,
      lines: [...lines, { name: 'Correlation of the losses', value: correlation }],
    });
  }
  if (difference !== undefined) {
    groups.push({
      title: 'Δp, change of the probability of the label',
      format: formatPercent,
      lines: [
        { name: 'Mean', value: difference.mean, error: difference.standard_error },
        { name: 'Root mean square', value: difference.rms, error: difference.rms_standard_error },
        ...distributionOf(difference),
      ],
    });
  }
  return groups;
}

interface Distribution {
  readonly min: Determined;
  readonly max: Determined;
  readonly percentiles: Readonly<Record<string, Determined>>;
}

/** Maximum, percentiles from above, and minimum. */
function distributionOf({ min, max, percentiles }: Distribution): Line[] {
  const lines = Object.entries(percentiles)
    .toSorted(([a], [b]) => Number(b) - Number(a))
    .map(([name, value]) => ({ name: name === '50' ? 'Median' : `Percentile ${name}`, value }));
  return [{ name: 'Maximum', value: max }, ...lines, { name: 'Minimum', value: min }];
}
