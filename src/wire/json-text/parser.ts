import { extname } from 'node:path';
import { runInTurns } from '../../steps.ts';
import { Threads } from '../../threads.ts';
import { ownBytes } from '../../tensor/memory.ts';
import type { HeldBytesAccount } from '../body/held-bytes.ts';
import type { JsonText } from '../decoding.ts';
import { MAX_INLINE_BYTES, neededBytes, parseModest, requireModest } from './text.ts';
import type { JsonTask, ReadJson } from './worker.ts';

/** Heap limit in MB of a thread, for the values of a text without tensors. The account includes the bytes of tensors. */
const MAX_HEAP_MB = 1024;

/** Largest number of keys of a text that is parsed on the main thread. Each key takes a microsecond. */
const MAX_INLINE_KEYS = 2 ** 12;

/** Number of texts that are read at a time. Each may take a second. */
const MAX_THREADS = 2;

/** Reads JSON texts. Large texts are read on separate threads, so that the main thread can answer other requests. */
export class JsonParser {
  readonly #maxDepth: number;
  readonly #threads: Threads<JsonTask, ReadJson>;

  /** @param maxDepth largest nesting of a text */
  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#threads = new Threads({
      filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url),
      maxThreads: MAX_THREADS,
      maxHeapMegabytes: MAX_HEAP_MB,
      what: 'the JSON body',
    });
  }

  /**
   * @param given the text; a large one is transferred to a thread
   * @param account takes the memory of the values before they are allocated
   * @param isAbandoned called when a thread is free: the text is not read if the client has left
   * @returns the value of the text; a promise if the text is large
   * @throws LossmeterError malformed_body, client_closed, and errors of tensors for a large text
   */
  parse(given: Omit<JsonText, 'is'>, account: HeldBytesAccount, isAbandoned?: () => boolean): unknown {
    const { text } = given;
    if (text.byteLength <= MAX_INLINE_BYTES && requireModest(text, this.#maxDepth) <= MAX_INLINE_KEYS) {
      return parseModest(text, this.#maxDepth);
    }
    return this.#parseOnThread(given, account, isAbandoned);
  }

  async #parseOnThread(
    { text, fields }: Omit<JsonText, 'is'>,
    account: HeldBytesAccount,
    isAbandoned?: () => boolean,
  ): Promise<unknown> {
    const needed = await runInTurns(neededBytes(text));
    account.take(needed, 'the values of the JSON body', 'send tensors as bytes, in MessagePack or safetensors');
    const own = ownBytes(text);
    const task = { text: own, maxDepth: this.#maxDepth, fields };
    const { value, tensorBytes } = await this.#threads.run(task, [own.buffer], isAbandoned);
    account.give(Math.max(0, needed - tensorBytes));
    return value;
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }
}
