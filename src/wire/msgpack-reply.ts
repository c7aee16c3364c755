import { Packr } from 'msgpackr';
import { containsTensor } from '../tensor/tensor.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * An answer as MessagePack, in parts: what is small is packed by msgpackr, and the bytes of tensors stand where they are,
 * so that a large output is not copied. Numbers that are not integers are float64.
 */
export function packReply(value: object): Uint8Array[] {
  const parts: Uint8Array[] = [];
  appendValue(parts, value);
  return joinSmall(parts);
}

function appendValue(parts: Uint8Array[], value: unknown): void {
  if (!containsTensor(value)) {
    parts.push(new Uint8Array(packr.pack(value)));
    return;
  }
  const entries = Object.entries(value as object).filter(([, inner]) => inner !== undefined);
  parts.push(head(entries.length, { fixed: 0x80, fixedBelow: 16, types: [undefined, 0xde, 0xdf] }));
  for (const [key, inner] of entries) {
    parts.push(new Uint8Array(packr.pack(key)));
    if (inner instanceof Uint8Array) {
      parts.push(head(inner.byteLength, { types: [0xc4, 0xc5, 0xc6] }), inner);
    } else {
      appendValue(parts, inner);
    }
  }
}

/** A type byte with a length, in the shortest of the forms that the type has. */
function head(
  length: number,
  { fixed, fixedBelow = 0, types }: { fixed?: number; fixedBelow?: number; types: (number | undefined)[] },
): Uint8Array {
  if (fixed !== undefined && length < fixedBelow) return Uint8Array.of(fixed | length);
  const bytes = new DataView(new ArrayBuffer(5));
  const [of8, of16, of32] = types;
  if (of8 !== undefined && length < 2 ** 8) return Uint8Array.of(of8, length);
  if (length < 2 ** 16) {
    bytes.setUint8(0, of16!);
    bytes.setUint16(1, length);
    return new Uint8Array(bytes.buffer, 0, 3);
  }
  bytes.setUint8(0, of32!);
  bytes.setUint32(1, length);
  return new Uint8Array(bytes.buffer);
}

/** Parts up to this size are copied together: each part is a write of its own. */
const SMALL_BYTES = 65_536;

/** Joins neighbours that are small. */
export function joinSmall(parts: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let waiting: Uint8Array[] = [];
  const flush = (): void => {
    if (waiting.length > 0) joined.push(Buffer.concat(waiting));
    waiting = [];
  };
  for (const part of parts) {
    if (part.byteLength <= SMALL_BYTES) {
      waiting.push(part);
      continue;
    }
    flush();
    joined.push(part);
  }
  flush();
  return joined;
}
