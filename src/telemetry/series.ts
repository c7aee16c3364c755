import type { Metric, MetricObjectWithValues, MetricValueWithName, Registry } from '@prometheus-io/client';
import type { PrometheusContentType } from '@prometheus-io/client';

export type MetricRegistry = Registry<PrometheusContentType>;

type Labels = Readonly<Record<string, string>>;
type Values = MetricValueWithName<string>[];

interface Described {
  name: string;
  help: string;
}

/**
 * A metric that every request updates. At each update the library's metrics look a series up by a text made from its
 * labels, which takes several per cent of the time of a small request. These metrics return the series itself, so an
 * update is only an addition.
 */
abstract class SeriesMetric<S> {
  abstract readonly type: 'counter' | 'histogram';
  readonly name: string;
  readonly #help: string;
  readonly #series: { labels: Labels; series: S }[] = [];

  constructor(registry: MetricRegistry, { name, help }: Described) {
    this.name = name;
    this.#help = help;
    // A registry uses only the name and the values of a metric.
    registry.registerMetric(this as unknown as Metric);
  }

  protected add(labels: Labels, series: S): S {
    this.#series.push({ labels, series });
    return series;
  }

  protected abstract valuesOf(labels: Labels, series: S): Values;

  async get(): Promise<Omit<MetricObjectWithValues<Values[number]>, 'collect' | 'aggregator'>> {
    const values = this.#series.flatMap(({ labels, series }) => this.valuesOf(labels, series));
    return { name: this.name, help: this.#help, type: this.type, values };
  }
}

/** Count of a series. */
export interface Tally {
  count: number;
}

export class TallyCounter extends SeriesMetric<Tally> {
  readonly type = 'counter';

  /** Creates a series. */
  series(labels: Labels = {}): Tally {
    return this.add(labels, { count: 0 });
  }

  protected valuesOf(labels: Labels, { count }: Tally): Values {
    return [{ labels, value: count }];
  }
}

/** Ids of the trace and the span in which a value was observed. */
export interface Exemplar {
  readonly trace_id: string;
  readonly span_id: string;
}

/** The last value of a bucket that was observed in a span. */
interface SeenExemplar {
  labelSet: Exemplar;
  value: number;
  /** In seconds since 1970. */
  timestamp: number;
}

/** Observed values of a series, counted by bucket. */
export class Observations {
  readonly #bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  /** By bucket; undefined until a value was observed in a span. */
  exemplars: (SeenExemplar | undefined)[] | undefined;

  /** @param bounds upper bounds of the buckets, ascending; one more bucket holds all greater values */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number, exemplar?: Exemplar): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += value;
    if (exemplar === undefined) return;
    this.exemplars ??= [];
    this.exemplars[bucket] = { labelSet: exemplar, value, timestamp: Date.now() / 1000 };
  }
}

export class TallyHistogram extends SeriesMetric<Observations> {
  readonly type = 'histogram';
  readonly #bounds: readonly number[];

  constructor(registry: MetricRegistry, { bounds, ...described }: Described & { bounds: readonly number[] }) {
    super(registry, described);
    this.#bounds = bounds;
  }

  /** Creates a series. */
  series(labels: Labels): Observations {
    return this.add(labels, new Observations(this.#bounds));
  }

  protected valuesOf(labels: Labels, { counts, sum, exemplars }: Observations): Values {
    let count = 0;
    const buckets = counts.map((inBucket, k) => {
      count += inBucket;
      const exemplar = exemplars?.[k];
      return {
        ...(exemplar !== undefined && { exemplar }),
        metricName: `${this.name}_bucket`,
        labels: { ...labels, le: String(this.#bounds[k] ?? '+Inf') },
        value: count,
      };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
