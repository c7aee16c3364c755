/** Writes llama.cpp logit files without code of the service, and reads the table that llama-perplexity prints. */
import type { Comparison } from '../src/contract/kl-divergence.ts';
import { MSGPACK } from './service.ts';
import type { Service } from './service.ts';

/** A row of log-probabilities: scale·q + minimum. */
export interface QuantisedRow {
  scale: number;
  minimum: number;
  q: readonly number[];
}

interface LogitFileParts {
  context: number;
  classes: number;
  tokens: readonly number[];
  rows: readonly QuantisedRow[];
  /** Number of chunks in the header; by default computed from the tokens. */
  chunks?: number;
  magic?: string;
}

/** Bytes of a file in the format of `llama-perplexity --kl-divergence-base`. */
export function logitFile({ context, classes, tokens, rows, chunks, magic = '_logits_' }: LogitFileParts): Buffer {
  const header = Buffer.alloc(20);
  header.write(magic, 'latin1');
  header.writeUInt32LE(context, 8);
  header.writeInt32LE(classes, 12);
  header.writeInt32LE(chunks ?? tokens.length / context, 16);
  const ids = Buffer.alloc(4 * tokens.length);
  tokens.forEach((token, k) => ids.writeInt32LE(token, 4 * k));
  const written = rows.map(({ scale, minimum, q }) => {
    // A row of an odd vocabulary has one padding element with an arbitrary value.
    const row = Buffer.alloc(2 * (2 * Math.floor((classes + 1) / 2) + 4), 0xff);
    row.writeFloatLE(scale, 0);
    row.writeFloatLE(minimum, 4);
    q.forEach((value, c) => row.writeUInt16LE(value, 8 + 2 * c));
    return row;
  });
  return Buffer.concat([header, ids, ...written]);
}

/** Log-probabilities of a row in 65,536 steps from its maximum to 16 nats below it, or to its minimum. */
export function quantise(logProbs: readonly number[]): QuantisedRow {
  const greatest = Math.max(...logProbs);
  const minimum = Math.fround(Math.max(Math.min(...logProbs), greatest - 16));
  const scale = Math.fround((greatest - minimum) / 65_535);
  const q = logProbs.map((value) => Math.max(0, Math.min(65_535, Math.round((value - minimum) / scale))));
  return { scale, minimum, q };
}

/** A number of the table with its printed error; NaN when no error is printed. */
export interface Printed {
  value: number;
  error: number;
}

/** Reads the lines `name : value ± error` of the final tables, by name. */
export function readTable(text: string): Map<string, Printed> {
  const final = text.slice(text.indexOf('====== Perplexity statistics'));
  const lines = final.matchAll(/^ *([^:\n]+?) *: +(-?[\d.]+)%?(?: +± +([\d.]+))?/gm);
  return new Map(
    Array.from(lines, ([, name, value, error]) => [
      name!.replaceAll(/ +/g, ' '),
      { value: Number(value), error: Number(error) },
    ]),
  );
}

/** Reads the cumulative lines of the chunks. Each has the numbers of its columns in order. */
export function readChunks(text: string): Printed[][] {
  const lines = text.matchAll(/^ *\d+((?: +-?[\d.]+ ± +[\d.]+(?: %)?)+) *$/gm);
  return Array.from(lines, ([, columns]) =>
    Array.from(columns!.matchAll(/(-?[\d.]+) ± +([\d.]+)/g), ([, value, error]) => ({
      value: Number(value),
      error: Number(error),
    })),
  );
}

/** Posts a comparison as MessagePack or JSON. */
export async function compareIn(
  service: Service,
  fields: object,
  type: string = MSGPACK,
): Promise<{ status: number; body: Comparison & { code: string; detail: string; errors?: { pointer: string }[] } }> {
  const answer = await service.post(fields, { type, headers: { accept: MSGPACK }, path: '/v1/kl-divergence' });
  return answer as never;
}
