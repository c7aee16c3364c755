import { inSteps, runInTurns } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { scatter } from '../tensor/transpose.ts';
import type { Transposition } from '../tensor/transpose.ts';
import type { LogitsIntake } from '../engine/intake.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { free } from '../tensor/memory.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';

const WHAT = 'logits whose class axis is not the last';
const ADVICE = 'send them with the class axis last, as torch.movedim(logits, class_axis, -1) does: then they stream';

/** Number of elements up to which short items are grouped. */
const GROUP_ELEMENTS = 2 ** 16;

/**
 * Rearranges logits whose class axis is not the last. An item spans the class axis and the axes after it, and is buffered
 * until it is complete. Short items are buffered in groups.
 */
export class MovedLogits implements LogitsIntake {
  readonly #writer: Pick<LogitsIntake, 'write'>;
  readonly #moved: Transposition;
  /** Bytes of an element. */
  readonly #width: number;
  readonly #held: HeldBytesAccount;
  /** Items of a group. The last group may have fewer. */
  readonly #itemsAtOnce: number;
  /** Number of items that were not yet written. */
  #itemsLeft: number;
  /** Buffer of the current group, with the class axis last. */
  #group: Uint8Array<ArrayBuffer> | undefined;
  /** Number of elements of the group that were received. */
  #filled = 0;
  /** First bytes of an element that lies in two runs. */
  readonly #cut: number[] = [];

  /** @throws LossmeterError body_too_large, overloaded when a group exceeds the available memory */
  constructor(
    writer: Pick<LogitsIntake, 'write'>,
    moved: Transposition,
    { width, held }: { width: number; held: HeldBytesAccount },
  ) {
    this.#writer = writer;
    this.#moved = moved;
    this.#width = width;
    this.#held = held;
    this.#itemsLeft = moved.items;
    this.#itemsAtOnce = Math.min(moved.items, Math.max(1, Math.floor(GROUP_ELEMENTS / (moved.rows * moved.columns))));
    held.requireRoom(this.#bytesOf(this.#itemsAtOnce), WHAT, ADVICE);
  }

  #bytesOf(items: number): number {
    return items * this.#moved.rows * this.#moved.columns * this.#width;
  }

  async write(run: Uint8Array): Promise<void> {
    for (let at = 0; at < run.byteLength;) {
      this.#group ??= this.#takeGroup();
      const items = Math.min(this.#itemsAtOnce, this.#itemsLeft);
      const missing = this.#bytesOf(items) - this.#filled * this.#width - this.#cut.length;
      const length = Math.min(run.byteLength - at, missing);
      await runInTurns(this.#put(run.subarray(at, at + length)));
      at += length;
      if (length < missing) return;
      this.#filled = 0;
      this.#itemsLeft -= items;
      await this.#writer.write(this.#group.subarray(0, this.#bytesOf(items)));
    }
  }

  async readFrom(logits: FileTensor, { onRead }: { onRead?: (bytes: number) => void } = {}): Promise<void> {
    const { byteLength } = logits.range;
    this.#held.take(byteLength, WHAT, ADVICE);
    const bytes = await logits.read();
    await this.write(bytes);
    free(bytes);
    this.#held.give(byteLength);
    onRead?.(byteLength);
  }

  #takeGroup(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytesOf(this.#itemsAtOnce);
    this.#held.take(bytes, WHAT, ADVICE);
    const group = new Uint8Array(bytes);
    this.#held.onClose(() => free(group));
    return group;
  }

  /** Copies elements to their positions. The bytes of an incomplete element wait for the next run. */
  *#put(bytes: Uint8Array): Steps<void> {
    let at = 0;
    if (this.#cut.length > 0) {
      while (this.#cut.length < this.#width && at < bytes.byteLength) this.#cut.push(bytes[at++]!);
      if (this.#cut.length < this.#width) return;
      this.#scatter(Uint8Array.from(this.#cut.splice(0)));
    }
    const whole = bytes.subarray(at, bytes.byteLength - ((bytes.byteLength - at) % this.#width));
    yield* inSteps(whole.byteLength / this.#width, (from, to) =>
      this.#scatter(whole.subarray(from * this.#width, to * this.#width)),
    );
    this.#cut.push(...bytes.subarray(at + whole.byteLength));
  }

  #scatter(bytes: Uint8Array): void {
    const { rows, columns } = this.#moved;
    scatter(bytes, this.#group!, { rows, columns, width: this.#width, from: this.#filled });
    this.#filled += bytes.byteLength / this.#width;
  }
}
