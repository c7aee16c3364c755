/**
 * Preloaded into a service and its threads. Production code releases memory by `transfer(0)`. This file overwrites the
 * memory first, so that a later read by native code (zlib, a socket) gets wrong bytes. It keeps the memory for a while, so
 * that a later write to it is detected as an error.
 */
import { isMainThread, isMarkedAsUntransferable } from 'node:worker_threads';

const POISON = 0xa5;

/** Limit of the released bytes that each thread keeps. */
const MAX_KEPT_BYTES = 2 ** 25;

const INTACT = Buffer.alloc(65_536, POISON);

const { transfer, transferToFixedLength } = Object.getOwnPropertyDescriptors(ArrayBuffer.prototype);
const kept: ArrayBuffer[] = [];
let keptBytes = 0;
let released = 0;

/** @throws Error for memory of Node's buffer pool, and when memory was written to after its release */
function release(buffer: ArrayBuffer): void {
  if (isMarkedAsUntransferable(buffer)) throw new Error('poison: memory of a pool is released, which others share');
  if (buffer.byteLength > 0) {
    new Uint8Array(buffer).fill(POISON);
    released++;
  }
  // Detaches the buffer without copying its memory.
  const memory = transfer.value!.call(buffer, undefined);
  kept.push(memory);
  keptBytes += memory.byteLength;
  while (keptBytes > MAX_KEPT_BYTES) {
    const oldest = kept.shift()!;
    keptBytes -= oldest.byteLength;
    requireIntact(oldest);
  }
}

function requireIntact(memory: ArrayBuffer): void {
  for (let at = 0; at < memory.byteLength; at += INTACT.byteLength) {
    const part = new Uint8Array(memory, at, Math.min(INTACT.byteLength, memory.byteLength - at));
    if (INTACT.compare(part, 0, part.byteLength, 0, part.byteLength) === 0) continue;
    throw new Error(`poison: ${memory.byteLength} released bytes were written to`);
  }
}

for (const [name, descriptor] of Object.entries({ transfer, transferToFixedLength })) {
  const original = descriptor.value!;
  const poisoned = function (this: ArrayBuffer, length?: number): ArrayBuffer {
    if (length !== 0) return original.call(this, length);
    release(this);
    return new ArrayBuffer(0);
  };
  // oxlint-disable-next-line no-extend-native -- only in processes that preload this file
  Object.defineProperty(ArrayBuffer.prototype, name, { ...descriptor, value: poisoned });
}

if (isMainThread) {
  process.on('exit', () => {
    kept.forEach(requireIntact);
    console.info(`poison: ${released} buffers were released`);
  });
}
