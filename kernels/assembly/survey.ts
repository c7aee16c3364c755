import { HISTOGRAM_BINS, LEFT_OUT } from '../abi';
import { RowSurveyLayout as Layout } from '../layouts';
import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { isPlain, scaledNorm } from './norm';
import { load1 } from './storage';

/**
 * Stores norms, extremes and counts of the values of a block.
 * @param histogram counts over the rows that are not left out: HISTOGRAM_BINS u32 of finite values other than 0 by the
 *   exponent field of their float64, the number of zeros, and then the number of non-finite values in each column
 * @param out columns of RowSurvey
 */
// @ts-expect-error: decorator
@inline
export function survey<T>(p: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize): void {
  const zerosAt = histogram + (<usize>HISTOGRAM_BINS << 2);
  const columns = zerosAt + 4;
  memory.fill(histogram, 0, (<usize>HISTOGRAM_BINS + 1 + <usize>classes) << 2);
  const n = <usize>rows;
  for (let row: u32 = 0; row < rows; row++) {
    const begin = p;
    startSums();
    const counted = load<i32>(targets + (<usize>row << 2)) != LEFT_OUT;
    let high = -Infinity;
    let low = Infinity;
    let nans: i32 = 0;
    let posInfs: i32 = 0;
    let negInfs: i32 = 0;
    let zeros: i32 = 0;
    for (let column: u32 = 0; column < classes; ) {
      const end = min(column + TILE_F64, classes);
      let squares: f64 = 0;
      for (; column < end; column++, p += sizeof<T>()) {
        const x = load1<T>(p);
        if (!isFinite(x)) {
          nans += i32(x != x);
          posInfs += i32(x == Infinity);
          negInfs += i32(x == -Infinity);
          if (counted) increment(columns + (<usize>column << 2));
          continue;
        }
        squares += x * x;
        high = max(high, x);
        low = min(low, x);
        if (x == 0) zeros++;
        else if (counted) increment(histogram + (<usize>((reinterpret<u64>(x) >> 52) & (HISTOGRAM_BINS - 1)) << 2));
      }
      addTo(0, squares);
    }
    const squares = totalOf(0);
    if (counted) store<i32>(zerosAt, load<i32>(zerosAt) + zeros);
    const f64At = out + (<usize>row << 3);
    const i32At = out + (<usize>row << 2);
    store<f64>(f64At + n * Layout.norms, isPlain(squares) ? Math.sqrt(squares) : scaledNorm<T>(begin, classes, max(0, max(high, -low))));
    store<f64>(f64At + n * Layout.maximum, high);
    store<f64>(f64At + n * Layout.minimum, low);
    store<i32>(i32At + n * Layout.nanCount, nans);
    store<i32>(i32At + n * Layout.posInfCount, posInfs);
    store<i32>(i32At + n * Layout.negInfCount, negInfs);
  }
}

// @ts-expect-error: decorator
@inline
function increment(at: usize): void {
  store<u32>(at, load<u32>(at) + 1);
}
