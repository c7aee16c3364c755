import type { Comparison } from '../contract/kl-divergence.ts';
import { suggestName } from '../suggestion.ts';
import { UsageError } from './usage.ts';

type Answer = Omit<Comparison, 'outputs'>;

/** Results that a bound may apply to: undefined without labels, null when undetermined. */
const MEASURES: Readonly<Record<string, (answer: Answer) => number | null | undefined>> = {
  mean: ({ kl_divergence: kl }) => kl.mean,
  max: ({ kl_divergence: kl }) => kl.max,
  median: ({ kl_divergence: kl }) => kl.percentiles['50'],
  p90: ({ kl_divergence: kl }) => kl.percentiles['90'],
  p95: ({ kl_divergence: kl }) => kl.percentiles['95'],
  p99: ({ kl_divergence: kl }) => kl.percentiles['99'],
  'p99.9': ({ kl_divergence: kl }) => kl.percentiles['99.9'],
  same_top: ({ top1_agreement: top }) => top.fraction,
  rms: ({ probability_difference: difference }) => difference?.rms,
  log_ratio: ({ perplexity }) => perplexity?.log_ratio.value,
  ratio: ({ perplexity }) => perplexity?.ratio.value,
  difference: ({ perplexity }) => perplexity?.difference.value,
};

export const MEASURE_NAMES = Object.keys(MEASURES);

/** A bound. The command fails when the measure is beyond it. */
export interface Bound {
  text: string;
  measure: string;
  isBeyond: (value: number) => boolean;
}

/** Reads a bound such as `mean>0.01`. @throws UsageError */
export function readBound(text: string): Bound {
  const match = /^\s*(?<measure>[a-z_][\w.]*)\s*(?<sign>[<>]=?)\s*(?<number>\S+)\s*$/.exec(text);
  const { measure = '', sign = '', number = '' } = match?.groups ?? {};
  const bound = Number(number);
  if (match === null || Number.isNaN(bound)) {
    throw new UsageError(`--fail-if is ${text}, expected NAME>NUMBER such as 'mean>0.01', or with <, >= or <=`);
  }
  if (!Object.hasOwn(MEASURES, measure)) {
    const meant = suggestName(measure, MEASURE_NAMES);
    const hint = meant === undefined ? `expected one of ${MEASURE_NAMES.join(', ')}` : `did you mean ${meant}?`;
    throw new UsageError(`--fail-if names ${measure}, ${hint}`);
  }
  const comparisons: Readonly<Record<string, (value: number) => boolean>> = {
    '>': (value) => value > bound,
    '>=': (value) => value >= bound,
    '<': (value) => value < bound,
    '<=': (value) => value <= bound,
  };
  return { text, measure, isBeyond: comparisons[sign]! };
}

/**
 * Explains why a result fails; undefined when it does not fail. An undetermined value fails.
 * @throws UsageError for a measure that needs labels, which the files lack
 */
export function failureOf({ text, measure, isBeyond }: Bound, answer: Answer): string | undefined {
  const value = MEASURES[measure]!(answer);
  if (value === undefined) throw new UsageError(`--fail-if ${text} needs labels, and the files have none`);
  if (value === null) return `${text}: ${measure} is undetermined`;
  return isBeyond(value) ? `${text}: ${measure} is ${value}` : undefined;
}
