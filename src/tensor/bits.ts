/** Floating-point formats without a typed array in JavaScript: their elements are handled as bits. */

/** Conversion between the bits of an element and its value. */
export interface BitFormat {
  /** Exact value of an element. */
  fromBits: (bits: number) => number;
  /** Bits of the nearest element; ties to even. NaN stays NaN. */
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

/**
 * Conversion of a float8 format with or without ±Infinity, whose exponent has all bits set.
 * @param overflow bits of the magnitude after the largest finite one: Infinity, or NaN in formats without Infinity
 */
export function float8(format: { mantissaBits: number; bias: number; overflow: number }): BitFormat {
  const { mantissaBits, bias, overflow } = format;
  const leastExponent = 1 - bias;
  const infinity = 0x80 - 2 ** mantissaBits;
  const magnitudeOf = (bits: number): number => {
    if (bits >= overflow) return bits === infinity ? Infinity : Number.NaN;
    const exponent = bits >> mantissaBits;
    const fraction = bits % 2 ** mantissaBits;
    const steps = exponent === 0 ? fraction : 2 ** mantissaBits + fraction;
    return steps * 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
  };
  const values = Float64Array.from({ length: 256 }, (_, bits) => (bits < 128 ? 1 : -1) * magnitudeOf(bits % 128));
  return {
    fromBits: (bits) => values[bits]!,
    toBits(value) {
      const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
      const magnitude = Math.abs(value);
      if (Number.isNaN(value)) return 0x7f;
      if (magnitude === Infinity) return sign | overflow;
      const exponent = Math.max(Math.floor(Math.log2(magnitude)), leastExponent);
      const steps = roundToEven(magnitude / 2 ** (exponent - mantissaBits));
      return sign | Math.min((exponent - leastExponent) * 2 ** mantissaBits + steps, overflow);
    },
  };
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
