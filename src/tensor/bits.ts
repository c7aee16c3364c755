/** Floating-point formats that JavaScript has no array for: their elements are handled as bits. */

/** Conversion between the bits of an element and its value. */
export interface BitFormat {
  /** Value of an element. Exact. */
  fromBits: (bits: number) => number;
  /** Bits of the nearest element, of two equally near ones the even one. NaN stays NaN. */
  toBits: (value: number) => number;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** bfloat16 is the upper half of a float32. Values are rounded to float32 first. */
export const BFLOAT16: BitFormat = {
  fromBits(bits) {
    word[0] = bits << 16;
    return float[0]!;
  },
  toBits(value) {
    float[0] = value;
    const bits = word[0]!;
    if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
    return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  },
};
