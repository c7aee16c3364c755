import { hash, randomBytes } from 'node:crypto';

/** Prefix by which people, and scanners for leaked keys, recognize a key. */
const PREFIX = 'lm_';

/** A new key: 256 random bits. */
export function createSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url');
}

/**
 * SHA-256 of a key. Only this hash is stored. Slow hashes protect passwords, which can be guessed; 256 random bits
 * cannot be guessed, and a fast hash costs each request only a microsecond.
 */
export function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}
