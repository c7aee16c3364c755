/** The result of a comparison as `llama-perplexity --kl-divergence` prints it: the same lines and units. */
import { agrees, probabilityDifference } from '../comparison/summary.ts';
import { scaledMasks } from '../comparison/moments.ts';
import type { CountedRows } from '../comparison/moments.ts';
import type { Comparison } from '../contract/kl-divergence.ts';
import type { ComparedColumns } from '../engine/block.ts';

/** A number; null when it is undetermined. */
type Determined = number | null | undefined;

/** Head of the lines of chunks, with and without labels. */
const HEAD_WITH_LABELS =
  'chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence              Δp RMS            Same top p';
const HEAD = 'chunk          KL Divergence            Same top p';

/** Formats a number as printf does; an undetermined one is a dash of the same width. */
function fixed(value: Determined, width: number, digits: number): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–'.padStart(width);
  return (Number.isFinite(value) ? value.toFixed(digits) : value > 0 ? 'inf' : '-inf').padStart(width);
}

const pair = (value: Determined, error: Determined, [width, digits]: readonly [number, number]): string =>
  `${fixed(value, width, digits)} ± ${fixed(error, width, digits)}`;

const percent = (value: Determined): Determined => (typeof value === 'number' ? 100 * value : value);

/** Mean and standard error of the rows so far. Values are taken relative to the first, so that squares do not cancel. */
class RunningMean {
  #n = 0;
  #origin = 0;
  #weight = 0;
  #sum = 0;
  #squareWeight = 0;
  #squareSum = 0;
  #squares = 0;

  add(weight: number, value: number): void {
    if (this.#n++ === 0) this.#origin = value;
    const x = value - this.#origin;
    this.#weight += weight;
    this.#sum += weight * x;
    this.#squareWeight += weight ** 2;
    this.#squareSum += weight ** 2 * x;
    this.#squares += weight ** 2 * x ** 2;
  }

  get mean(): number {
    return this.#origin + this.#sum / this.#weight;
  }

  /** NaN for fewer than two rows. */
  get error(): number {
    const n = this.#n;
    const shift = this.#sum / this.#weight;
    const squares = this.#squares - 2 * shift * this.#squareSum + shift ** 2 * this.#squareWeight;
    return n < 2 ? Number.NaN : Math.sqrt((n / (n - 1)) * Math.max(0, squares)) / this.#weight;
  }
}

/**
 * Lines of the chunks. The statistics of a line cover all rows up to the end of its chunk.
 * @param chunks number of rows of each chunk, which sum to all rows
 */
export function* chunkLines(
  all: CountedRows,
  { divergence, nll, referenceNll, prediction, referencePrediction }: ComparedColumns,
  { chunks, hasLabel }: { chunks: readonly number[]; hasLabel: boolean },
): Generator<string> {
  yield hasLabel ? HEAD_WITH_LABELS : HEAD;
  const { rows: counted } = all;
  const { maskOf } = scaledMasks(all);
  const means = { nll: new RunningMean(), ratio: new RunningMean(), kl: new RunningMean(), top: new RunningMean() };
  const squares = new RunningMean();
  let k = 0;
  let end = 0;
  for (const [index, length] of chunks.entries()) {
    end += length;
    for (; k < counted.length && counted[k]! < end; k++) {
      const row = counted[k]!;
      const m = maskOf(row);
      means.kl.add(m, divergence[row]!);
      means.top.add(m, agrees(prediction[row]!, referencePrediction[row]!));
      means.nll.add(m, nll[row]!);
      means.ratio.add(m, nll[row]! - referenceNll[row]!);
      squares.add(m, probabilityDifference(nll[row]!, referenceNll[row]!) ** 2);
    }
    const ppl = Math.exp(means.nll.mean);
    const rms = Math.sqrt(squares.mean);
    const rmsError = rms === 0 ? squares.error : (100 * squares.error) / (2 * rms);
    const ofLabels = [
      pair(ppl, ppl * means.nll.error, [9, 4]),
      pair(means.ratio.mean, means.ratio.error, [10, 5]),
      pair(means.kl.mean, means.kl.error, [10, 5]),
      `${pair(100 * rms, rmsError, [6, 3])} %`,
    ];
    const cells = hasLabel ? ofLabels : [ofLabels[2]!];
    const top = `${pair(100 * means.top.mean, 100 * means.top.error, [6, 3])} %`;
    yield [String(index + 1).padStart(4), ...cells, top].join('    ');
  }
}

const nats = [10, 6] as const;

/** Lines of the statistics of all rows. */
export function statisticsLines({
  perplexity,
  kl_divergence: kl,
  probability_difference: difference,
  top1_agreement: top,
}: Omit<Comparison, 'outputs'>): string[] {
  const lines: string[] = [];
  if (perplexity !== undefined) {
    const line = (name: string, { value, standard_error: error }: { value: Determined; standard_error: Determined }) =>
      `${name.padEnd(30)}: ${pair(value, error, nats)}`;
    lines.push(
      '====== Perplexity statistics ======',
      line('Mean PPL(Q)', perplexity.logits),
      line('Mean PPL(base)', perplexity.reference),
      `${'Cor(ln(PPL(Q)), ln(PPL(base)))'.padEnd(30)}: ${fixed(percent(perplexity.correlation), 6, 2)}%`,
      line('Mean ln(PPL(Q)/PPL(base))', perplexity.log_ratio),
      line('Mean PPL(Q)/PPL(base)', perplexity.ratio),
      line('Mean PPL(Q)-PPL(base)', perplexity.difference),
      '',
    );
  }
  const ofKl = (name: string, value: Determined): string => `${name.padEnd(7)} KLD: ${fixed(value, ...nats)}`;
  lines.push(
    '====== KL divergence statistics ======',
    `Mean    KLD: ${pair(kl.mean, kl.standard_error, nats)}`,
    ofKl('Maximum', kl.max),
    ...percentileNames(['99.9', '99', '95', '90', '50', '10', '5', '1', '0.1']).map(([name, shown]) =>
      ofKl(shown, kl.percentiles[name]),
    ),
    ofKl('Minimum', kl.min),
    '',
  );
  const agreement = `Same top p: ${fixed(percent(top.fraction), 6, 3)} ± ${fixed(percent(top.standard_error), 5, 3)} %`;
  if (difference === undefined) return [...lines, agreement];
  const ofDifference = (name: string, value: Determined): string =>
    `${name.padEnd(7)} Δp: ${fixed(percent(value), 6, 3)}%`;
  const withError = (name: string, value: Determined, error: Determined): string =>
    `${name}: ${fixed(percent(value), 6, 3)} ± ${fixed(percent(error), 5, 3)} %`;
  return [
    ...lines,
    '====== Token probability statistics ======',
    withError('Mean    Δp', difference.mean, difference.standard_error),
    ofDifference('Maximum', difference.max),
    ...percentileNames(['99.9', '99', '95', '90', '75', '50', '25', '10', '5', '1', '0.1']).map(([name, shown]) =>
      ofDifference(shown, difference.percentiles[name]),
    ),
    ofDifference('Minimum', difference.min),
    withError('RMS Δp    ', difference.rms, difference.rms_standard_error),
    agreement,
  ];
}

/** Percentiles with their names in the table. */
function percentileNames(names: readonly string[]): [name: string, shown: string][] {
  return names.map((name) => [name, name === '50' ? 'Median' : `${Number(name).toFixed(1).padStart(4)}%`]);
}
