/**
 * Series of the terms of divergences for small d = log(q/p): term = p·d²·P(d), in which nothing cancels.
 * KL: P = Σ d^k / (k + 2)!, and q − p = p·(d + d²·P(d)). Jensen–Shannon: term/p = γ·e^d·d − M·log M with M = β + γ·e^d and γ = 1 − β.
 */

/** Degrees of the series that the kernels evaluate, and limits of |d|. */
const FLOAT32 = { degree: 6, mixedDegree: 7, gainsDegree: 5, ratiosDegree: 8, limit: 1 };
const FLOAT64 = { degree: 20, limit: 0.5 };

/** Number of Taylor coefficients that are interpolated. The terms after them are below 1e-17. */
const TAYLOR = 40;

/**
 * Bytes of the series. In f32: both divergences, each after its limit, the gains and log(q/m)/d. In f64: both divergences,
 * each after its limit.
 */
export const SERIES_BYTES =
  4 * (FLOAT32.degree + FLOAT32.mixedDegree + FLOAT32.gainsDegree + FLOAT32.ratiosDegree + 6) +
  2 * 8 * (FLOAT64.degree + 2);

/** The series as the kernels read them. @param beta β of the Jensen–Shannon divergence; 0 for none */
export function divergenceSeries(beta: number): Uint8Array {
  const plain = kullbackLeibler();
  const ratios = beta === 0 ? [1] : logOfMixture(beta);
  const mixed = beta === 0 ? plain : jensenShannon(beta, ratios);
  const narrow = Float32Array.of(
    FLOAT32.limit,
    ...interpolated(plain, FLOAT32.limit, FLOAT32.degree),
    FLOAT32.limit,
    ...interpolated(mixed, FLOAT32.limit, FLOAT32.mixedDegree),
    ...interpolated(plain, FLOAT32.limit, FLOAT32.gainsDegree),
    ...interpolated(ratios, FLOAT32.limit, FLOAT32.ratiosDegree),
  );
  const wide = Float64Array.of(
    FLOAT64.limit,
    ...plain.slice(0, FLOAT64.degree + 1),
    FLOAT64.limit,
    ...mixed.slice(0, FLOAT64.degree + 1),
  );
  return Buffer.concat([narrow, wide].map(({ buffer }) => new Uint8Array(buffer)));
}

/** Coefficients 1 / (k + 2)! of the Kullback–Leibler divergence. */
function kullbackLeibler(): number[] {
  const coefficients = [0.5];
  while (coefficients.length < TAYLOR) coefficients.push(coefficients.at(-1)! / (coefficients.length + 2));
  return coefficients;
}

/**
 * Coefficients of log(q/m) / d, from the derivatives of log(q/m) = d − log M: τ = (d − log M)′ = β / M solves τ′ =
 * −τ·(1 − τ) with τ(0) = β.
 */
function logOfMixture(beta: number): number[] {
  const tau = [beta];
  for (let k = 0; k < TAYLOR; k++) {
    let square = 0;
    for (let i = 0; i <= k; i++) square += tau[i]! * tau[k - i]!;
    tau.push((square - tau[k]!) / (k + 1));
  }
  return tau.map((value, k) => value / (k + 1));
}

/** Coefficients of the Jensen–Shannon divergence, from the derivative (term/p)′ = γ·e^d·(d − log M). */
function jensenShannon(beta: number, ratios: readonly number[]): number[] {
  const gamma = 1 - beta;
  const difference = [0, ...ratios];
  const exponential = [1];
  for (let k = 1; k <= TAYLOR; k++) exponential.push(exponential[k - 1]! / k);
  const coefficients: number[] = [];
  for (let k = 1; k <= TAYLOR; k++) {
    let slope = 0;
    for (let i = 0; i <= k; i++) slope += exponential[i]! * difference[k - i]!;
    coefficients.push((gamma * slope) / (k + 1));
  }
  return coefficients;
}

/** Coefficients of the polynomial that interpolates a series at the Chebyshev nodes of [−limit, limit]. */
function interpolated(series: readonly number[], limit: number, degree: number): number[] {
  const nodes = Array.from(
    { length: degree + 1 },
    (_, k) => limit * Math.cos(((2 * k + 1) * Math.PI) / (2 * degree + 2)),
  );
  const differences = nodes.map((node) => series.reduceRight((sum, coefficient) => sum * node + coefficient, 0));
  for (let order = 1; order <= degree; order++) {
    for (let k = degree; k >= order; k--) {
      differences[k] = (differences[k]! - differences[k - 1]!) / (nodes[k]! - nodes[k - order]!);
    }
  }
  let coefficients = [differences[degree]!];
  for (let k = degree - 1; k >= 0; k--) {
    const shifted = [0, ...coefficients];
    coefficients.forEach((coefficient, power) => (shifted[power]! -= coefficient * nodes[k]!));
    shifted[0]! += differences[k]!;
    coefficients = shifted;
  }
  return coefficients;
}
