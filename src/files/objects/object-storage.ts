import { LossmeterError } from '../../errors.ts';
import { TaskQueue } from '../../task-queue.ts';
import type { FileOpener } from '../readable-file.ts';
import { findObjects } from './find-objects.ts';
import type { FoundObject } from './find-objects.ts';
import { ObjectFile } from './object-file.ts';
import { parseObjectName } from './object-name.ts';
import { ObjectReader } from './object-reader.ts';
import { MAX_REQUESTS, loadS3 } from './s3-client.ts';
import type { S3, S3Options } from './s3-client.ts';
import { TurnBudget } from './turn-budget.ts';

export interface ObjectStorageOptions extends S3Options {
  /** Buckets that may be named. */
  buckets: readonly string[] | 'any';
}

/** Object storage by the protocol of S3. Only the named buckets of the configured endpoint are read. */
export class ObjectStorage {
  readonly #options: ObjectStorageOptions;
  readonly #queue = new TaskQueue(MAX_REQUESTS);
  readonly #turns = new TurnBudget();
  #s3: Promise<S3> | undefined;
  /** Bytes received of objects, and number of further attempts at requests. */
  readonly counts = { bytes: 0, retries: 0 };

  constructor(options: ObjectStorageOptions) {
    this.#options = options;
  }

  /** Loads the SDK. @throws Error without a region */
  async ready(): Promise<void> {
    await this.#load();
  }

  /**
   * Opens objects by their name.
   * @param shown the name in messages
   * @throws LossmeterError file_forbidden for an invalid name, and for a name in a bucket that is not allowed
   */
  opener(name: string, shown: string): FileOpener {
    const object = this.#require(name);
    return (_kind, read) => {
      const reader = new ObjectReader(object, shown, {
        load: () => this.#load(),
        queue: this.#queue,
        turns: this.#turns,
        stallSeconds: this.#options.stallSeconds,
        onBytes: (bytes) => (this.counts.bytes += bytes),
        onRetry: (attempts) => (this.counts.retries += attempts),
      });
      return ObjectFile.open(reader, shown, read);
    };
  }

  /** Objects that a name or a pattern names: see findObjects. */
  async find(pattern: string): Promise<FoundObject[]> {
    const object = this.#require(pattern);
    return findObjects(await this.#load(), object);
  }

  /** Closes idle connections. */
  async close(): Promise<void> {
    const s3 = await this.#s3?.catch(() => undefined);
    s3?.client.destroy();
  }

  #require(name: string): { bucket: string; key: string } {
    const object = parseObjectName(name);
    if (typeof object === 'string') throw new LossmeterError('file_forbidden', `${object}, expected s3://bucket/key`);
    const { buckets } = this.#options;
    // A bucket that is not allowed is never accessed, so the answer does not reveal if it exists.
    if (buckets === 'any' || buckets.includes(object.bucket)) return object;
    throw new LossmeterError('file_forbidden', `this service does not read the bucket of ${name}`);
  }

  #load(): Promise<S3> {
    this.#s3 ??= loadS3(this.#options);
    return this.#s3;
  }
}
