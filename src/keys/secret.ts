import { hash, randomBytes } from 'node:crypto';

/** Makes a key known for what it is, to people and to scanners for leaked ones. */
const PREFIX = 'lm_';

/** A new key: 256 random bits. */
export function createSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url');
}

/**
 * SHA-256 of a key, all that is kept of it. A slow hash is for passwords, which can be guessed; 256 random bits cannot,
 * and a fast hash costs each request a microsecond.
 */
export function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}
