/** How many rows an answer names. */
const MOST = 5;

/** A row that the model is most surprised by. */
export interface WorstRow {
  /** Over the whole batch. */
  row: number;
  /** Its class; of class probabilities the most probable. */
  label: number;
  /** Its nll, in nats: without weights, smoothing and mask. */
  loss: number;
  /** How many classes come before its label; absent where shards do not know it. */
  target_rank?: number;
}

/** NaN is worse than everything, and of equals the first row. */
function isWorse(a: Pick<WorstRow, 'loss' | 'row'>, b: Pick<WorstRow, 'loss' | 'row'>): boolean {
  if (Number.isNaN(a.loss) !== Number.isNaN(b.loss)) return Number.isNaN(a.loss);
  return a.loss > b.loss || ((a.loss === b.loss || Number.isNaN(a.loss)) && a.row < b.row);
}

/**
 * The rows of greatest nll, the worst first.
 * @param labels per row its class; rows without one, which are negative, have no loss
 * @param better a loss that rows before these have: who has no worse one is not of interest
 */
export function worstRows(nll: Float64Array, labels: Int32Array, better?: number): WorstRow[] {
  const worst: WorstRow[] = [];
  for (let row = 0; row < nll.length; row++) {
    const label = labels[row]!;
    const loss = nll[row]!;
    if (label < 0 || (better !== undefined && !isWorse({ loss, row }, { loss: better, row: -1 }))) continue;
    const candidate = { row, label, loss };
    if (worst.length === MOST && !isWorse(candidate, worst[MOST - 1]!)) continue;
    if (worst.length === MOST) worst.pop();
    let at = worst.length;
    while (at > 0 && isWorse(candidate, worst[at - 1]!)) at--;
    worst.splice(at, 0, candidate);
  }
  return worst;
}

/** The loss that a row must be worse than to be among the worst, when it comes after them; undefined while any is. */
export function leastWorst(worst: readonly WorstRow[]): number | undefined {
  return worst.length < MOST ? undefined : worst[MOST - 1]!.loss;
}

/** The worst of two lists. */
export function mergeWorst(a: readonly WorstRow[], b: readonly WorstRow[]): WorstRow[] {
  if (a.length === 0) return [...b];
  return [...a, ...b].toSorted((one, other) => (isWorse(one, other) ? -1 : 1)).slice(0, MOST);
}
