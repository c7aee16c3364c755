import { extname } from 'node:path';
import { runInTurns } from '../../steps.ts';
import { Threads } from '../../threads.ts';
import { ownBytes } from '../../tensor/memory.ts';
import type { HeldBytesAccount } from '../body/held-bytes.ts';
import type { JsonText } from '../decoding.ts';
import { MAX_INLINE_BYTES, neededBytes, parseModest, requireModest } from './text.ts';
import type { JsonTask, ReadJson } from './worker.ts';

/** Bound on the values of a text apart from tensors, whose bytes are on the account. */
const MAX_HEAP_MB = 1024;

/** Keys of a text that is parsed where it is: an object of many takes a microsecond for each. */
const MAX_INLINE_KEYS = 2 ** 12;

/** Texts that are read at a time: each may take a second. */
const MAX_THREADS = 2;

/** Reads JSON texts, large ones on threads of their own, so that other requests are answered meanwhile. */
export class JsonParser {
  readonly #maxDepth: number;
  readonly #threads: Threads<JsonTask, ReadJson>;

  /** @param maxDepth nesting that a text may have */
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
   * @param given its text is in a buffer of its own when it is large: it is moved
   * @param account takes the memory of the values before they are made
   * @param isAbandoned asked when a thread is free: the text of a client that left is not read
   * @returns its value; a promise of it where the text is large
   * @throws LossmeterError malformed_body, client_closed, and the errors of tensors of a large text
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
