const WIDTH = 30;

/** Minimum number of milliseconds between two drawings of the bar. */
const INTERVAL_MS = 100;

/** Terminal on which a bar is drawn. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Progress bar on the last line of a terminal; draws nothing on other outputs. */
export class Progress {
  readonly #terminal: Terminal | undefined;
  readonly #total: number;
  #done = 0;
  #label = '';
  #drawn = -Infinity;

  /** @param total sum of all later calls of `add` */
  constructor(terminal: Terminal, total: number) {
    this.#terminal = terminal.isTTY === true ? terminal : undefined;
    this.#total = total;
  }

  /** Sets the text next to the bar. */
  begin(label: string): void {
    this.#label = label;
    this.#draw();
  }

  add(amount: number): void {
    this.#done += amount;
    if (performance.now() - this.#drawn >= INTERVAL_MS) this.#draw();
  }

  /** Removes the bar. */
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
    // A longer line would wrap and could not be erased.
    this.#terminal.write(`\r\x1b[K${line.slice(0, (this.#terminal.columns ?? 80) - 1)}`);
  }
}
