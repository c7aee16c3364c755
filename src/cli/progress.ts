const WIDTH = 30;

/** The bar is drawn again after so many milliseconds at least. */
const INTERVAL_MS = 100;

/** Where a bar is drawn: a terminal. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A bar on the last line of a terminal; nothing on anything else. */
export class Progress {
  readonly #terminal: Terminal | undefined;
  readonly #total: number;
  #done = 0;
  #label = '';
  #drawn = -Infinity;

  /** @param total what `add` will add up to */
  constructor(terminal: Terminal, total: number) {
    this.#terminal = terminal.isTTY === true ? terminal : undefined;
    this.#total = total;
  }

  /** Says what is going on, beside the bar. */
  begin(label: string): void {
    this.#label = label;
    this.#draw();
  }

  add(amount: number): void {
    this.#done += amount;
    if (performance.now() - this.#drawn >= INTERVAL_MS) this.#draw();
  }

  /** Takes the bar away. */
  clear(): void {
    this.#terminal?.write('\r\x1b[K');
  }

  #draw(): void {
    if (this.#terminal === undefined) return;
    this.#drawn = performance.now();
    const share = this.#total === 0 ? 1 : Math.min(1, this.#done / this.#total);
    const filled = Math.round(share * WIDTH);
    const bar = '#'.repeat(filled).padEnd(WIDTH, '.');
    const line = `[${bar}] ${String(Math.floor(share * 100)).padStart(3)} %  ${this.#label}`;
    // A longer line would wrap, and stay.
    this.#terminal.write(`\r\x1b[K${line.slice(0, (this.#terminal.columns ?? 80) - 1)}`);
  }
}
