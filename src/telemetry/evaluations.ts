import { Counter } from '@prometheus-io/client';
import type { Answered, Timings } from '../pipeline/answered.ts';
import type { Evaluation } from '../contract/cross-entropy.ts';
import type { LogprobComparison } from '../contract/logprobs.ts';
import { CAUSES } from '../diagnostics/causes.ts';
import type { Diagnostics } from '../contract/diagnostics.ts';
import { TallyCounter, TallyHistogram } from './series.ts';
import type { Exemplar, MetricRegistry, Observations, Tally } from './series.ts';

/** Upper bounds of the buckets, in seconds. */
const BOUNDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 50];

/** Metrics of evaluations and their verdicts. */
export class EvaluationMetrics {
  readonly #byVerdict: Readonly<Record<Diagnostics['verdict'], Tally>>;
  readonly #nonFinite: Counter<'cause'>;
  readonly #rows: Tally;
  readonly #phases: Readonly<Record<keyof Timings, Observations>>;

  constructor(registry: MetricRegistry) {
    const evaluations = new TallyCounter(registry, {
      name: 'lossmeter_evaluations_total',
      help: 'Evaluations by their verdict.',
    });
    this.#byVerdict = {
      finite: evaluations.series({ verdict: 'finite' }),
      non_finite: evaluations.series({ verdict: 'non_finite' }),
    };
    this.#nonFinite = new Counter({
      name: 'lossmeter_non_finite_total',
      help: 'Evaluations with the cause in their diagnostics.',
      labelNames: ['cause'],
      registers: [registry],
    });
    for (const cause of CAUSES) this.#nonFinite.inc({ cause }, 0);
    const rows = { name: 'lossmeter_evaluated_rows_total', help: 'Rows of evaluations that were answered.' };
    this.#rows = new TallyCounter(registry, rows).series();
    const seconds = new TallyHistogram(registry, {
      name: 'lossmeter_evaluation_seconds',
      help: 'Time of each phase of an evaluation, in seconds.',
      bounds: BOUNDS,
    });
    this.#phases = {
      ingest: seconds.series({ phase: 'ingest' }),
      compute: seconds.series({ phase: 'compute' }),
      reduce: seconds.series({ phase: 'reduce' }),
    };
  }

  /**
   * Counts an answered evaluation. The partial of a shard has no verdict and no rows; both are counted when the partials
   * are combined. A compared token counts as a row.
   */
  answered(
    { answer, timings }: Pick<Answered<Partial<Evaluation & LogprobComparison>>, 'answer' | 'timings'>,
    exemplar?: Exemplar,
  ): void {
    const { ingest, compute, reduce } = this.#phases;
    ingest.observe(timings.ingest / 1000, exemplar);
    compute.observe(timings.compute / 1000, exemplar);
    reduce.observe(timings.reduce / 1000, exemplar);
    const rows = answer.rows ?? answer.tokens;
    if (rows !== undefined) this.#rows.count += rows.total;
    if (answer.diagnostics !== undefined) this.judged(answer.diagnostics);
  }

  judged({ verdict, causes }: Diagnostics): void {
    this.#byVerdict[verdict].count++;
    for (const { cause } of causes) this.#nonFinite.inc({ cause });
  }
}
