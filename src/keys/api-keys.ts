import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseKeyFile } from './key-file.ts';
import type { Scope } from './scopes.ts';
import { digestOf } from './secret.ts';

/** Milliseconds between checks of the file. A revoked key is accepted for at most this time. */
const POLL_MS = 1000;

/** A known key. */
export interface ApiKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Time of expiry in milliseconds since 1970; Infinity for a key that does not expire. */
  readonly expires: number;
}

/** Log for reloads of the file. */
interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/**
 * Keys of a file, which is checked periodically and read again when it changed. Unlike a watch, periodic reads see
 * changes by editors, swapped links (as Kubernetes mounts secrets) and network file systems, and miss nothing between a
 * read and the start of a watch. An invalid file, perhaps half written, changes nothing. Only a valid file without a
 * key revokes the key.
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

  /** @throws Error when the file is unreadable or invalid */
  static async open(path: string, log: Log): Promise<ApiKeys> {
    const keys = new ApiKeys(path, log);
    await keys.#read();
    keys.#poll();
    return keys;
  }

  /** Finds the presented key; it may have expired. */
  find(secret: string): ApiKey | undefined {
    const digest = digestOf(secret);
    let found: ApiKey | undefined;
    // Compares with every key, each in constant time: the duration reveals nothing about the keys.
    for (const key of this.#keys) if (timingSafeEqual(key.digest, digest)) found = key;
    return found;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** @returns true when the file has changed */
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
    if (this.#keys.length === 0)
      this.#log.warn(`${this.#path} has no keys: every request that needs a key is rejected`);
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
      // Logs each problem once.
      if (message !== this.#failure) this.#log.error(`${message}; the keys read before stay valid`);
      this.#failure = message;
    }
    if (!this.#closed) this.#poll();
  }

  #names(): string {
    return this.#keys.map(({ name }) => name).join(', ') || 'none';
  }
}
