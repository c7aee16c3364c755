import { LOSS_NAMES } from '../loss-names.ts';
import type { Event, SummaryValue } from './event.ts';

/** Tags of a run. Only the first value of a tag has its type, which applies to all event files of the run. */
export class Tags {
  readonly #isScalar = new Map<string, boolean>();
  #loss: string | undefined;
  readonly #excluded: RegExp;

  /**
   * @param loss tag of the loss; undefined for the first usual name that occurs
   * @param excluded tags that are left out
   */
  constructor(loss: string | undefined, excluded: RegExp) {
    this.#loss = loss;
    this.#excluded = excluded;
  }

  /** Tag of the loss, when it is known. */
  get loss(): string | undefined {
    return this.#loss;
  }

  /** Values of an event that are scalars, by their tags. */
  scalarsOf({ values }: Event): Map<string, number> {
    const scalars = new Map<string, number>();
    for (const value of values) {
      if (!this.#takes(value)) continue;
      scalars.set(value.tag, value.number!);
      if (this.#loss === undefined && LOSS_NAMES.includes(value.tag)) this.#loss = value.tag;
    }
    return scalars;
  }

  #takes({ tag, number, isTensor, isScalar }: SummaryValue): boolean {
    let known = this.#isScalar.get(tag);
    if (known === undefined) {
      known = (isTensor ? isScalar === true : number !== undefined) && !this.#excluded.test(tag);
      this.#isScalar.set(tag, known);
    }
    return known && number !== undefined;
  }
}
