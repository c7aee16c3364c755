/** The errors that docs/accuracy.md promises, by the arithmetic in which rows are evaluated. */
export interface Promised {
  /** Error of lse, losses, entropy and confidence; of a gradient's element, relative to the row's largest. */
  absolute: number;
  /** Relative error of nll, down to `least`; of a gradient's element, relative to the magnitudes of its terms. */
  relative: number;
  least: number;
  /** Error of a gradient's element relative to the sum of its coefficients, where exponentials underflow. */
  floor: number;
  /** `floor` of the element of the label: nll ends there. */
  targetFloor: number;
  /** Relative error of the derivative of softcap. */
  slope: number;
  /** Error of an element relative to the sum of its coefficients, where the derivative of softcap underflows. */
  slopeFloor: number;
  /** Error of a logit that softcap transformed, relative to its distance from the reference of its row. */
  depth: number;
  /** Error of the norm of the gradient, in addition to the errors of its elements. */
  norm: number;
}

const PROMISES: Record<'float32' | 'float64', Promised> = {
  float32: {
    absolute: 2e-6,
    relative: 1e-5,
    least: 1e-6,
    floor: 1e-35,
    targetFloor: 1e-11,
    slope: 5e-6,
    slopeFloor: 1e-36,
    depth: 5e-7,
    norm: 1e-14,
  },
  float64: {
    absolute: 1e-12,
    relative: 1e-12,
    least: 1e-290,
    floor: 1e-290,
    targetFloor: 1e-290,
    slope: 1e-12,
    slopeFloor: 0,
    depth: 0,
    norm: 1e-14,
  },
};

export function promiseOf(arithmetic: 'float32' | 'float64'): Promised {
  return PROMISES[arithmetic];
}
