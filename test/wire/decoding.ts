/** Runs decodings without a service. Their bytes arrive in the given chunks. */
import { runAtOnce } from '../../src/steps.ts';
import type { Bytes, Decoded, Decoding } from '../../src/wire/decoding.ts';
import { parseJson } from '../../src/wire/json-text/text.ts';

class ChunkedBytes implements Bytes {
  readonly #chunks: Uint8Array[];
  here: Uint8Array | undefined;
  received = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks.filter(({ byteLength }) => byteLength > 0);
  }

  get ended(): boolean {
    return this.here === undefined && this.#chunks.length === 0;
  }

  skip(bytes: number): void {
    const rest = this.here!.subarray(bytes);
    this.here = rest.byteLength > 0 ? rest : undefined;
  }

  /** Delivers the next chunk. */
  next(): void {
    this.here = this.#chunks.shift();
    this.received += this.here?.byteLength ?? 0;
  }
}

/** Runs a decoding, and answers its requests for input and work. @returns the other parts that it yields, and its result */
export function decodeAll<R>(
  decode: (bytes: Bytes) => Decoding<R>,
  chunks: readonly Uint8Array[],
): { items: Decoded[]; result: R } {
  const bytes = new ChunkedBytes(chunks);
  const decoding = decode(bytes);
  const items: Decoded[] = [];
  for (let step = decoding.next(); ;) {
    if (step.done === true) return { items, result: step.value };
    const item = step.value;
    let answer: unknown;
    if (item.is === 'more') bytes.next();
    else if (item.is === 'work') answer = runAtOnce(item.steps);
    else if (item.is === 'json') answer = parseJson(item.text, 64);
    else if (item.is !== 'turn') items.push(item);
    step = decoding.next(answer);
  }
}
