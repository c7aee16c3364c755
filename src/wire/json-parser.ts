import { extname } from 'node:path';
import { Piscina } from 'piscina';
import { LossmeterError } from '../errors.ts';
import { parseJson } from './json-text.ts';
import type { JsonReply, JsonTask } from './json-worker.ts';

/** Texts up to this size are parsed where they are: that takes about 5 ms at most. */
const MAX_INLINE_BYTES = 256 * 1024;

/** Megabytes that the values of a text may take: what takes more ends the thread, and not the service. */
const MAX_HEAP_MB = 1024;

/** A worker that had nothing to do for so long ends: it may have grown by ten times the text. */
const IDLE_MS = 10_000;

/**
 * Reads JSON texts, large ones on a thread of their own, so that other requests are answered meanwhile. One at a time:
 * their values take many times the memory of the text.
 */
export class JsonParser {
  readonly #maxDepth: number;
  #piscina: Piscina<JsonTask, JsonReply> | undefined;

  /** @param maxDepth nesting that a text may have */
  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  /** @throws LossmeterError malformed_body, and what is wrong with the tensors of a large text */
  async parse(text: Uint8Array): Promise<unknown> {
    if (text.byteLength <= MAX_INLINE_BYTES) return parseJson(text, this.#maxDepth);
    this.#piscina ??= new Piscina({
      filename: new URL(`./json-worker${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: IDLE_MS,
      recordTiming: false,
      // With the small young generation that the main thread has it would collect its garbage all the time.
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: 32 },
    });
    // Of a thread that fails while it has nothing to do; unheard, it would end the process.
    this.#piscina.on('error', () => undefined);
    // A buffer of its own can be moved; one that others look into cannot.
    const own = new Uint8Array(text);
    const reply = await this.#piscina
      .run({ text: own, maxDepth: this.#maxDepth }, { transferList: [own.buffer] })
      .catch((cause: unknown) => {
        if ((cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
          const detail = `the values of the JSON body take more than ${MAX_HEAP_MB} MB; send tensors as {dtype, shape, data} with data in base64, or MessagePack`;
          throw new LossmeterError('body_too_large', detail, [], { cause });
        }
        throw new LossmeterError('worker_lost', 'the thread that read the JSON body ended', [], { cause });
      });
    if ('value' in reply) return reply.value;
    const { code, detail, places } = reply.refusal;
    throw new LossmeterError(code, detail, places);
  }

  async close(): Promise<void> {
    await this.#piscina?.close();
  }
}
