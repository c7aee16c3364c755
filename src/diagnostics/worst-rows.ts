/** Number of worst rows in an answer. */
const MOST = 5;

/** A row with a large loss. */
export interface WorstRow {
  /** Index in the whole batch. */
  row: number;
  /** Class of the row; with class probabilities the most probable class. */
  label: number;
  /** nll of the row, in nats, without weights, smoothing and mask. */
  loss: number;
  /** Number of classes that rank before the label; absent where shards cannot determine it. */
  target_rank?: number;
}

/** Orders rows: NaN is worse than every number, and the first of equal rows is the worst. */
function isWorse(a: Pick<WorstRow, 'loss' | 'row'>, b: Pick<WorstRow, 'loss' | 'row'>): boolean {
  if (Number.isNaN(a.loss) !== Number.isNaN(b.loss)) return Number.isNaN(a.loss);
  return a.loss > b.loss || ((a.loss === b.loss || Number.isNaN(a.loss)) && a.row < b.row);
}

/**
 * Rows with the largest nll, the worst first.
 * @param labels class of each row; rows with a negative label have no loss
 * @param better smallest loss of the worst rows so far; only worse rows can enter
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

/** Loss that a later row must exceed to enter the worst rows; undefined while every row enters. */
export function leastWorst(worst: readonly WorstRow[]): number | undefined {
  return worst.length < MOST ? undefined : worst[MOST - 1]!.loss;
}

/** The worst of two lists. */
export function mergeWorst(a: readonly WorstRow[], b: readonly WorstRow[]): WorstRow[] {
  if (a.length === 0) return [...b];
  return [...a, ...b].toSorted((one, other) => (isWorse(one, other) ? -1 : 1)).slice(0, MOST);
}
