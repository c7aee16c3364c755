/** log(q/p) above which a term is computed from q directly, because p may be 0 and exp d infinite. */
export const GREATEST_RATIO: f64 = 8;

/** log(q/p) below which log(q/m) is computed by subtraction, because exp −d may be infinite. */
const LEAST_RATIO: f64 = -8;

/**
 * log(q / m) with m = β·p + (1 − β)·q and d = log(q / p).
 * @param beta β
 */
export function logOfMixture(d: f64, beta: f64): f64 {
  if (d < LEAST_RATIO) return d - Math.log(beta + (1 - beta) * Math.exp(d));
  return -Math.log1p(beta * Math.expm1(-d));
}

/** log(m / p) */
function mixtureOfLog(d: f64, beta: f64): f64 {
  if (d > GREATEST_RATIO) return d - logOfMixture(d, beta);
  return Math.log1p((1 - beta) * Math.expm1(d));
}

/**
 * Term β·p·log(p/m) + (1 − β)·q·log(q/m) of one class. The masses β·(m − p) + (1 − β)·(m − q) of the termwise form
 * cancel exactly. For small d use the series: the two parts cancel there. d may be infinite where p or q is 0.
 */
export function jensenShannonTerm(p: f64, q: f64, d: f64, beta: f64): f64 {
  const own = d > GREATEST_RATIO ? q : p * Math.exp(d);
  const ofQ = own == 0 ? 0 : (1 - beta) * own * logOfMixture(d, beta);
  return p == 0 ? ofQ : ofQ - beta * p * mixtureOfLog(d, beta);
}

/** Term of a class where p or q is 0: −q·(1 − β)·log(1 − β), or −p·β·log β. */
export function oneSidedTerm(mass: f64, share: f64): f64 {
  return mass == 0 ? 0 : -mass * share * Math.log(share);
}
