/** A small training. Tests can falsify its batches and its losses. */
import type { Service } from '../service.ts';

export const CLASSES = 32;
const ROWS = 24;

/** Rows of logits with their labels. */
export interface Batch {
  logits: number[][];
  label: number[];
}

/** Place of a recording in a run. */
export interface Place {
  step: number;
  rank?: number;
  micro?: number;
  attempt?: number;
}

/** The declared loss in the answer to a recording. */
export interface Declared {
  agrees: boolean;
  relative_difference: number;
  reproduced_by?: Record<string, unknown> | null;
}

export interface Finding {
  kind: string;
  ranks: number[];
  reproduced_by?: string | null;
  explained_by?: string | null;
  summary: string;
}

export interface Rerun {
  rank: number;
  micro_batch: number;
  same_bits: boolean;
  same_labels?: boolean;
  first_differing_row?: number;
  verdict: string;
}

/** Numbers in [0, 1), the same in every test run (mulberry32). */
export function random(seed: number): () => number {
  let state = seed * 0x9e37_79b9;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A different batch for each seed, of a model that often, but not always, predicts the label. */
export function batchOf(seed: number, { rows = ROWS, classes = CLASSES, certainty = 4 } = {}): Batch {
  const next = random(seed);
  const label = Array.from({ length: rows }, () => Math.floor(next() * classes));
  const logits = label.map((y) =>
    Array.from({ length: classes }, (_, c) => Math.fround(2 * next() + (c === y ? certainty * next() : 0))),
  );
  return { logits, label };
}

/** Flips a bit of the float32 of a logit. */
export function flipBit(
  { logits, label }: Batch,
  { row, column, bit }: { row: number; column: number; bit: number },
): Batch {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, logits[row]![column]!);
  bits.setUint32(0, bits.getUint32(0) ^ (1 << bit));
  const flipped = bits.getFloat32(0);
  return { label, logits: logits.map((one, r) => (r === row ? one.with(column, flipped) : one)) };
}

/** −log softmax of each row, by its definition. */
export const lossesOf = ({ logits, label }: Batch): number[] =>
  logits.map((row, k) => {
    const greatest = Math.max(...row);
    return greatest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - greatest), 0)) - row[label[k]!]!;
  });

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
export const mean = (values: readonly number[]): number => sum(values) / values.length;

let runs = 0;

/** A run of the service. */
export class Training {
  readonly #service: Service;
  readonly run: string;

  constructor(service: Service, run = `training-${runs++}`) {
    this.#service = service;
    this.run = run;
  }

  /** Records a batch or a pair with its other fields. @returns the comparison of its declared loss */
  async put(place: Place, body: object): Promise<Declared> {
    return (await this.answer(place, body)).declared;
  }

  /** Records a batch or a pair. @returns the whole answer */
  async answer(
    { step, rank = 0, micro = 0, attempt = 0 }: Place,
    body: object,
  ): Promise<{ declared: Declared } & Record<string, unknown>> {
    const query = `micro_batch=${micro}&attempt=${attempt}`;
    const url = `${this.#service.url}/v1/runs/${this.run}/steps/${step}/ranks/${rank}?${query}`;
    const headers = { 'content-type': 'application/json' };
    const text = JSON.stringify(body, (_, value: unknown) =>
      typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
    );
    const response = await fetch(url, { method: 'PUT', headers, body: text });
    const answer = (await response.json()) as { declared: Declared } & Record<string, unknown>;
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  }

  /** Records a pair for each micro-batch of each rank. @param declared loss that a rank declares */
  async putPairs(
    step: number,
    ranks: readonly (readonly (readonly [numerator: number, denominator: number])[])[],
    declared: (rank: number) => number | undefined = () => undefined,
  ): Promise<void> {
    for (const [rank, batches] of ranks.entries()) {
      for (const [micro, [numerator, denominator]] of batches.entries()) {
        const loss = declared(rank);
        await this.put(
          { step, rank, micro },
          { numerator, denominator, ...(loss !== undefined && { declared_loss: loss }) },
        );
      }
    }
  }

  /** Findings of a step. */
  async findings(step: number): Promise<Finding[]> {
    return (await this.get<{ disagreement: Finding[] }>(`steps/${step}`)).disagreement;
  }

  async reruns(step: number): Promise<Rerun[]> {
    return (await this.get<{ reruns: Rerun[] }>(`steps/${step}/reruns`)).reruns;
  }

  async get<T>(path: string): Promise<T> {
    const response = await this.#service.get(`/v1/runs/${this.run}/${path}`);
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()) as T;
  }
}

/** Short texts of findings: kind, reproduction or explanation, and ranks. */
export const short = (findings: readonly Finding[]): string[] =>
  findings.map(({ kind, reproduced_by: by, explained_by: explained, ranks }) =>
    [kind, ...(by === undefined ? [] : [by]), ...(explained === undefined ? [] : [explained]), ranks.join(' ')].join(
      ', ',
    ),
  );
