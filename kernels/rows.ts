import { DTYPE_BYTES, ELEMENT_TYPES } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';
import { NonFinite } from './abi.ts';
import { readRowRanks } from './bindings.ts';
import type { RowRanks } from './bindings.ts';
import type { PlacedLogits } from './block.ts';
import { RowRanksLayout } from './layouts.ts';
import type { KernelMemory } from './place.ts';

/** Finds the non-finite values of a block of rows. */
export interface NonFiniteFinder {
  /** The first column at or after `from` of a row with a value of the given kinds; −1 when there is none. */
  findNonFinite(row: number, from: number, kinds: number): number;
  /** Kind of one value, a bit of NonFinite; 0 when it is finite. */
  nonFiniteKindOf(row: number, column: number): number;
}

/** Rows of one tensor in the kernels' memory, as received. */
export class PlacedRows implements NonFiniteFinder {
  readonly #memory: KernelMemory;
  readonly #placed: PlacedLogits;
  readonly #classes: number;
  readonly #targets: number;
  readonly #rows: number;
  readonly #received: FloatDType;

  /**
   * @param targets address of the targets of the rows
   * @param received dtype of the elements as received; that of `placed` may be wider
   */
  constructor(
    memory: KernelMemory,
    placed: PlacedLogits,
    { rows, classes, targets, received }: { rows: number; classes: number; targets: number; received: FloatDType },
  ) {
    this.#memory = memory;
    this.#placed = placed;
    this.#rows = rows;
    this.#classes = classes;
    this.#targets = targets;
    this.#received = received;
  }

  findNonFinite(row: number, from: number, kinds: number): number {
    if (row >= this.#rows) throw new RangeError(`row ${row} is not in the block of ${this.#rows} rows`);
    const { bindings } = this.#memory;
    return bindings.find(this.#placed.dtype, { row: this.#addressOf(row), from, classes: this.#classes, kinds });
  }

  /** Reads only this value. */
  nonFiniteKindOf(row: number, column: number): number {
    const at = this.#addressOf(row);
    for (const kinds of [NonFinite.nan, NonFinite.posInf, NonFinite.negInf]) {
      const found = this.#memory.bindings.find(this.#placed.dtype, {
        row: at,
        from: column,
        classes: column + 1,
        kinds,
      });
      if (found === column) return kinds;
    }
    return 0;
  }

  /**
   * Maximum of each row and its index, the lowest on ties; and the rank of the target. The rank is the number of
   * classes before the target when sorted by value, then by index; −1 without a target or when it is NaN.
   */
  rank(): RowRanks {
    const { bindings, arena } = this.#memory;
    return arena.temporary(this.#rows * RowRanksLayout.bytes, (out) => {
      const { dtype, logits } = this.#placed;
      bindings.rank(dtype, { logits, rows: this.#rows, classes: this.#classes, targets: this.#targets, out });
      return readRowRanks(arena, out, this.#rows);
    });
  }

  /** Rank of the target of one row, see `rank`. */
  rankOfRow(row: number): number {
    const { bindings, arena } = this.#memory;
    const target = arena.i32(this.#targets + row * 4, 1)[0]!;
    return bindings.rankOf(this.#placed.dtype, { row: this.#addressOf(row), classes: this.#classes, target });
  }

  /** Number of logits of a row that equal a value. */
  countInRow(row: number, value: number): number {
    const { dtype } = this.#placed;
    return this.#memory.bindings.count(dtype, { row: this.#addressOf(row), count: this.#classes, value });
  }

  /**
   * Number of the first `span` logits of a row that were subnormal in the dtype received, for dtypes of at most 16
   * bits.
   */
  subnormalsInRow(row: number, span: number): number {
    const { dtype } = this.#placed;
    if (dtype !== 'float16' && dtype !== 'bfloat16') throw new RangeError(`subnormal ${dtype} are not counted`);
    const exponent = ELEMENT_TYPES[this.#received].float.leastNormalExponent;
    return this.#memory.bindings.subnormals(dtype, {
      row: this.#addressOf(row),
      count: Math.min(span, this.#classes),
      leastNormal: dtype === 'float16' ? (exponent + 15) << 10 : (exponent + 127) << 7,
    });
  }

  #addressOf(row: number): number {
    return this.#placed.logits + row * this.#classes * DTYPE_BYTES[this.#placed.dtype];
  }
}
