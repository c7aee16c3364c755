interface Seen {
  file: number;
  step: number;
}

/**
 * Attempts of the event files of a run. A later file whose tags go back to earlier steps shows that the trainer resumed
 * from a checkpoint. So does the start of a session at an earlier step within a file.
 */
export class Restarts {
  readonly #attempts: number[] = [];
  readonly #last = new Map<string, Seen>();
  readonly #first: number;
  #highest: number;
  #lastStep = -1;

  constructor(first: number) {
    this.#first = first;
    this.#highest = first;
  }

  /** Begins a file. @returns its number */
  open(): number {
    this.#attempts.push(this.#attempts.at(-1) ?? this.#first);
    return this.#attempts.length - 1;
  }

  /** Notes the start of a session, which replaces the steps recorded from its step on. */
  start(file: number, step: number): void {
    if (step <= this.#lastStep) this.#resume(file);
  }

  /** @returns the attempt of an event */
  attemptOf(file: number, step: number, tags: Iterable<string>, loss: string | undefined): number {
    for (const tag of tags) {
      const seen = this.#last.get(tag);
      const isBack = seen !== undefined && (step < seen.step || (step === seen.step && tag === loss));
      if (isBack && seen.file < file) this.#resume(file);
      this.#last.set(tag, { file, step });
    }
    this.#lastStep = Math.max(this.#lastStep, step);
    return this.#attempts[file]!;
  }

  #resume(file: number): void {
    this.#highest += 1;
    this.#attempts[file] = this.#highest;
    this.#last.clear();
    this.#lastStep = -1;
  }
}
