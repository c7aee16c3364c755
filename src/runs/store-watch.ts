import { LossmeterError } from '../errors.ts';

/** Milliseconds between checks of the store. */
const CHECK_MS = 2000;

/** Checks periodically that runs can be recorded. */
export class StoreWatch {
  readonly #check: () => Promise<void>;
  readonly #onChange: (fault: string | undefined) => void;
  #fault: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;

  /**
   * @param check rejects while runs cannot be recorded
   * @param onChange is called with each new fault, and with undefined when a fault has ended
   */
  constructor(check: () => Promise<void>, onChange: (fault: string | undefined) => void) {
    this.#check = check;
    this.#onChange = onChange;
  }

  /** Message that says what is wrong and what to do; undefined while runs can be recorded. */
  get fault(): string | undefined {
    return this.#fault;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), CHECK_MS).unref();
  }

  /** Checks now, or waits for the check under way. */
  async look(): Promise<void> {
    this.#checking ??= this.#look().finally(() => {
      this.#checking = undefined;
    });
    await this.#checking;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#checking;
  }

  async #look(): Promise<void> {
    const fault = await this.#check().then(
      () => undefined,
      (error: unknown) => (error instanceof LossmeterError ? error.message : 'the history cannot be read'),
    );
    if (fault === this.#fault) return;
    this.#fault = fault;
    this.#onChange(fault);
  }
}
