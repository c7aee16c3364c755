import { extname } from 'node:path';
import type { Evaluation } from '../../contract/cross-entropy.ts';
import { runInTurns } from '../../steps.ts';
import { Threads } from '../../threads.ts';
import { ownBytes } from '../../tensor/memory.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import type { Codec } from '../../wire/request.ts';
import { COMBINE_FIELDS, combine } from './combine.ts';
import type { CombineTask } from './combine-worker.ts';

/** Maximum size of a body that is combined on the main thread, which takes a few milliseconds. */
const MAX_INLINE_BYTES = 2 ** 16;

/** Copies of the partials in memory besides the body while they are combined: their columns, and the merged columns. */
const COPIES = 2;

/** Maximum number of bodies that are combined on threads at a time. */
const MAX_THREADS = 2;

/** Maximum heap of a thread, in megabytes, for the values of partials apart from their tensors. */
const MAX_HEAP_MB = 1024;

interface CombiningContext {
  readonly held: HeldBytesAccount;
  readonly maxDepth: number;
  readonly isAbandoned?: (() => boolean) | undefined;
}

/** Combines bodies of partials; large bodies on separate threads. */
export class Combining {
  readonly #threads = new Threads<CombineTask, Evaluation>({
    filename: new URL(`./combine-worker${extname(import.meta.url)}`, import.meta.url),
    maxThreads: MAX_THREADS,
    maxHeapMegabytes: MAX_HEAP_MB,
    what: 'the partials',
  });

  /** @throws LossmeterError of `combine`, and body_too_large, overloaded, worker_lost, client_closed */
  async combine(
    whole: Uint8Array,
    { values, mediaTypes }: Required<Codec>,
    { held, maxDepth, isAbandoned }: CombiningContext,
  ): Promise<Evaluation> {
    if (whole.byteLength <= MAX_INLINE_BYTES) return runInTurns(combine(values.parse(whole, maxDepth, COMBINE_FIELDS)));
    const ofValue = values.neededBytes === undefined ? 0 : await runInTurns(values.neededBytes(whole));
    held.take(ofValue + COPIES * whole.byteLength, 'the partials', 'combine the rows in several parts');
    const own = ownBytes(whole);
    return this.#threads.run({ body: own, mediaType: mediaTypes[0]!, maxDepth }, [own.buffer], isAbandoned);
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }
}
