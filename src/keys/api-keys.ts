import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseKeyFile } from './key-file.ts';
import type { Scope } from './scopes.ts';
import { digestOf } from './secret.ts';

/** How often the file is looked at, in milliseconds: a revoked key works for no longer than that. */
const POLL_MS = 1000;

/** A key that is known. */
export interface ApiKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** In milliseconds since 1970; Infinity when it does not expire. */
  readonly expires: number;
}

/** Where it is said that the file was read again. */
interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/**
 * The keys of a file, which is read again when it changes.
 *
 * It is read, not watched: that sees what editors, links that are swapped (Kubernetes mounts secrets so) and network
 * file systems do to a file, and nothing between a read and a watch is missed. A file that cannot be used, half written
 * perhaps, changes nothing; keys are revoked by a valid file without them.
 */
export class ApiKeys {
  readonly #path: string;
  readonly #log: Log;
  #keys: readonly (ApiKey & { digest: Buffer })[] = [];
  #text: string | undefined;
  #failure: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** @throws Error when the file cannot be read, or is not valid */
  static async open(path: string, log: Log): Promise<ApiKeys> {
    const keys = new ApiKeys(path, log);
    await keys.#read();
    keys.#poll();
    return keys;
  }

  /** The key that was presented; it may have expired. */
  find(secret: string): ApiKey | undefined {
    const digest = digestOf(secret);
    let found: ApiKey | undefined;
    // Through to the end, each in constant time: how long it takes tells nothing of the keys.
    for (const key of this.#keys) if (timingSafeEqual(key.digest, digest)) found = key;
    return found;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** @returns whether the file has changed */
  async #read(): Promise<boolean> {
    const text = await readFile(this.#path, 'utf8');
    if (text === this.#text) return false;
    this.#keys = parseKeyFile(text, this.#path).map(({ name, scopes, sha256, expires }) => ({
      name,
      scopes,
      expires: expires === undefined ? Infinity : Date.parse(expires),
      digest: Buffer.from(sha256, 'hex'),
    }));
    this.#text = text;
    if (this.#keys.length === 0) this.#log.warn(`${this.#path} has no keys: nobody gets in`);
    return true;
  }

  #poll(): void {
    this.#timer = setTimeout(() => void this.#readAgain(), POLL_MS).unref();
  }

  async #readAgain(): Promise<void> {
    try {
      if (await this.#read()) this.#log.info(`${this.#path} was read again, keys: ${this.#names()}`);
      this.#failure = undefined;
    } catch (error) {
      const { message } = error as Error;
      // Once is enough to say it.
      if (message !== this.#failure) this.#log.error(`${message}; the keys read before stay valid`);
      this.#failure = message;
    }
    if (!this.#closed) this.#poll();
  }

  #names(): string {
    return this.#keys.map(({ name }) => name).join(', ') || 'none';
  }
}
