import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { PAIR, SUMS } from './divergence-sums';
import { maddF64 } from './exp-f64';
import { GREATEST_RATIO, jensenShannonTerm, oneSidedTerm } from './jensen-shannon';
import { errorOfDifferenceF64 } from './log-ratio';
import { ofP, ofQ, productAt, ratioAt } from './pair-values';
import { horizontalSum } from './pairs';
import { load1 } from './storage';

/** Degree of the series in float64. */
const DEGREE: usize = 20;

/** Sums of a row of float64. @param series f64: limit, and 21 coefficients from the constant up */
export function sumDivergenceF64(series: usize, mixed: bool): void {
  startSums();
  const end = PAIR.classes & ~1;
  for (let first: u32 = 0; first < end; first += TILE_F64) sumTile(first, min(first + TILE_F64, end), series, mixed);
  if (PAIR.classes & 1) addOne<f64>(end, series, mixed);
  storeSums();
}

/** Sums a row class by class, for terms that leave the range of float32 or float64. */
export function sumDivergenceSlowly<T>(series: usize, mixed: bool): void {
  startSums();
  for (let c: u32 = 0; c < PAIR.classes; c++) addOne<T>(c, series, mixed);
  storeSums();
}

function storeSums(): void {
  SUMS.terms = totalOf(0);
  SUMS.gains = totalOf(1);
  SUMS.total = totalOf(2);
}

/** Sums a tile by pairs of classes. A pair in which |d| reaches the limit of the series is summed class by class. */
function sumTile(first: u32, end: u32, series: usize, mixed: bool): void {
  const shift = f64x2.splat(PAIR.shift);
  const shiftLow = f64x2.splat(PAIR.shiftLow);
  const scale = f64x2.splat(PAIR.scale);
  const limit = v128.load64_splat(series);
  let terms = f64x2.splat(0);
  let gains = terms;
  let total = terms;
  for (let c = first; c < end; c += 2) {
    const at = <usize>c << 3;
    const x = v128.load(PAIR.x + at);
    const y = v128.load(PAIR.y + at);
    const t = f64x2.sub(y, x);
    const error = f64x2.sub(errorOfDifferenceF64(t, y, x), shiftLow);
    const d = f64x2.mul(f64x2.add(f64x2.sub(t, shift), error), scale);
    if (!i64x2.all_true(f64x2.lt(f64x2.abs(d), limit))) {
      addOne<f64>(c, series, mixed);
      addOne<f64>(c + 1, series, mixed);
      continue;
    }
    const e = v128.load(PAIR.e + at);
    let p = v128.load64_splat(series, 8 + (DEGREE << 3));
    for (let k = DEGREE << 3; k > 0; k -= 8) p = maddF64(p, d, v128.load64_splat(series + k));
    const term = f64x2.mul(f64x2.mul(d, d), f64x2.mul(e, p));
    terms = f64x2.add(terms, term);
    gains = f64x2.add(gains, maddF64(e, d, term));
    total = f64x2.add(total, e);
  }
  addTo(0, horizontalSum(terms));
  addTo(1, horizontalSum(gains));
  addTo(2, horizontalSum(total));
}

/** Adds one class. */
function addOne<T>(c: u32, series: usize, mixed: bool): void {
  const at = <usize>c * sizeof<T>();
  const x = load1<T>(PAIR.x + at);
  const y = load1<T>(PAIR.y + at);
  const p = ofP<T>(c);
  const q = PAIR.factor * ofQ<T>(c);
  addTo(2, p);
  if (x == -Infinity || y == -Infinity) {
    addTo(0, mixed ? (p == 0 ? oneSidedTerm(q, 1 - PAIR.beta) : oneSidedTerm(p, PAIR.beta)) : q - p);
    addTo(1, q - p);
    return;
  }
  const d = ratioAt(x, y);
  addTo(1, gainOf(p, q, d));
  if (p == 0 && q == 0) return;
  if (mixed || isFinite(d)) addTo(0, termOf(PAIR.unit * p, PAIR.unit * q, d, series, mixed));
  else addTo(0, PAIR.unit * (q - p) - productAt(PAIR.unit * p, x, y));
}

/** q − p */
function gainOf(p: f64, q: f64, d: f64): f64 {
  return d > GREATEST_RATIO || p == 0 ? q - p : p * Math.expm1(d);
}

function termOf(p: f64, q: f64, d: f64, series: usize, mixed: bool): f64 {
  if (abs(d) < load<f64>(series)) return p * d * d * polynomialAt(d, series);
  if (mixed) return jensenShannonTerm(p, q, d, PAIR.beta);
  if (d > GREATEST_RATIO) return q - p - (p == 0 ? 0 : p * d);
  return p * (Math.expm1(d) - d);
}

function polynomialAt(d: f64, series: usize): f64 {
  let p = load<f64>(series, 8 + (DEGREE << 3));
  for (let k = DEGREE << 3; k > 0; k -= 8) p = p * d + load<f64>(series + k);
  return p;
}
