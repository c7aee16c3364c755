import { appendFindings, noFindings } from '../diagnostics/findings.ts';
import type { Findings } from '../diagnostics/findings.ts';

/** Findings of the blocks of a batch, which finish in any order. */
export class OrderedFindings {
  /** Findings of the first blocks, up to the first pending one. */
  readonly first = noFindings();
  readonly #mostPlaces: number;
  /** Findings by block, for blocks that finished before an earlier block. */
  readonly #later = new Map<number, Findings>();
  #appended = 0;

  /** @param mostPlaces most places that an answer names */
  constructor(mostPlaces: number) {
    this.#mostPlaces = mostPlaces;
  }

  /** Number of places that later rows may still add. */
  get missingPlaces(): number {
    return this.#mostPlaces - this.first.locations.length;
  }

  /** Adds the findings of a block. Appends all findings that are next in row order, so that few are stored separately. */
  take(index: number, findings: Findings): void {
    if (index !== this.#appended) {
      this.#later.set(index, findings);
      return;
    }
    for (let next: Findings | undefined = findings; next !== undefined; next = this.#later.get(this.#appended)) {
      this.#later.delete(this.#appended++);
      appendFindings(this.first, next, this.#mostPlaces);
    }
  }
}
