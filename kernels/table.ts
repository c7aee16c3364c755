/**
 * Table of the kernels, one row each. `npm run generate` generates from it the exports (assembly/index.ts), the offsets
 * of results (layouts.ts), the typed functions that call the exports (bindings.ts), and the tables of NAMING.md.
 */
import { FLOAT8_DTYPES, KERNEL_DTYPES } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';

/** Parameters by name: type and meaning. A name means the same in every kernel. */
export const PARAMETERS = {
  logits: ['usize', 'Address of (rows, classes) elements of the dtype, row-major, at any alignment.'],
  row: ['usize', 'Address of the elements of one row.'],
  elements: ['usize', 'Address of elements of the dtype.'],
  rows: ['u32', 'Number of rows.'],
  classes: ['u32', 'Number of classes, the elements of a row.'],
  count: ['u32', 'Number of elements.'],
  from: ['u32', 'Column to begin at.'],
  stride: ['u32', 'Elements from one row to the next: `classes`, or more when the block is a part of the columns.'],
  targets: ['usize', 'Address of i32 per row: class to score, NO_TARGET or LEFT_OUT.'],
  target: ['i32', 'Class to score, or NO_TARGET.'],
  weights: ['usize', 'Address of f64 per class; 0 for weights of 1.'],
  unit: [
    'f64',
    'A power of two, at least the number of classes: sums relative to it overflow only where their mean does.',
  ],
  relativeWeight: ['f64', 'Σ w / unit over the classes.'],
  received: ['usize', 'Address of class probabilities as received: (rows, classes) elements of the dtype.'],
  probabilities: ['usize', 'Address of class probabilities as f64 per row and class; 0 for class indices.'],
  masses: ['usize', 'Address of the columns of RowMasses.'],
  results: ['usize', 'Address of the columns of RowBlock.'],
  coefficients: ['usize', 'Address of the columns of GradientCoefficients; for a divergence, of f64 per row.'],
  gradients: ['usize', 'Address of (rows, classes) elements: f64 for float64 logits, else f32.'],
  scales: ['usize', 'Address of f64 per row: the power of two by which its gradient has to be multiplied.'],
  factor: ['f64', 'A power of two to multiply by.'],
  to: ['i32', 'Dtype to round to, a number of NarrowTo.'],
  scale: [
    'f64',
    'Factor of the logits, 1 for none. `forward` and what follows it: x = offset + scale·v of the elements v; float64 has neither.',
  ],
  offsets: ['usize', 'Address of the columns of RowOffsets; 0 for none.'],
  given: ['usize', 'Address of the columns of GivenRows.'],
  cap: ['f64', 'Cap of the logits; 0 for none.'],
  kinds: ['u32', 'Bits of NonFinite.'],
  value: ['f64', 'Value to be counted.'],
  leastNormal: ['u32', 'Bits of the smallest positive normal number.'],
  histogram: [
    'usize',
    'Address of u32: HISTOGRAM_BINS counts of finite values other than 0 by the exponent field of their float64, the number of zeros, and per column the number of non-finite values.',
  ],
  first: ['u32', 'First row to evaluate.'],
  end: ['u32', 'Row after the last to evaluate.'],
  exponentials: [
    'usize',
    'Address of exp(scale·(x − origin)) per class from row `first` on: f64 for float64 logits, else f32.',
  ],
  origins: ['usize', 'Address of f64 per row: the logit to which its exponentials are relative.'],
  p: ['usize', 'Address of the logits of p, of two softmaxes p and q: (rows, classes) elements of the dtype.'],
  q: ['usize', 'Address of the logits of q.'],
  pResults: ['usize', 'Address of the columns of RowBlock of p.'],
  qResults: ['usize', 'Address of the columns of RowBlock of q.'],
  pExponentials: ['usize', '`exponentials` of p.'],
  qExponentials: ['usize', '`exponentials` of q.'],
  pOrigins: ['usize', '`origins` of p.'],
  qOrigins: ['usize', '`origins` of q.'],
  series: ['usize', 'Address of the series of the divergences, see series.ts.'],
  direction: ['i32', 'Divergence, a number of Direction.'],
  divergences: ['usize', 'Address of the columns of RowDivergences.'],
  floor: ['f64', 'Nats below log 1 at and below which classes of p are left out.'],
  beta: ['f64', 'β of the Jensen–Shannon divergence; 0 for the Kullback–Leibler divergence.'],
  out: ['usize', 'Address of the result.'],
} satisfies Record<string, readonly [type: string, meaning: string]>;

export type Parameter = keyof typeof PARAMETERS;

export interface KernelRow {
  /** Call of the function that implements the kernel. T is the dtype's prefix, which names its storage type. */
  calls: string;
  /** File of assembly/ that contains the function. */
  file: string;
  /** Dtypes of the elements that the kernel reads, or in which the gradient was computed; empty for a kernel without. */
  dtypes: readonly FloatDType[];
  parameters: readonly Parameter[];
  /** `column` for a kernel that stores one f64 per row at `out` and needs only the rows and their results. */
  stores?: 'column';
  returns: 'void' | 'bool' | 'i32' | 'u32' | 'f64' | 'usize';
  meaning: string;
}

/** Parameters of kernels that evaluate some rows of two sides. */
const SIDES = [
  'p',
  'q',
  'rows',
  'classes',
  'targets',
  'scale',
  'pResults',
  'qResults',
  'first',
  'end',
  'pExponentials',
  'qExponentials',
  'pOrigins',
  'qOrigins',
] as const;

const PAIR = [...SIDES, 'series', 'beta'] as const;

const BLOCK = ['logits', 'rows', 'classes'] as const;

/** Dtypes that are evaluated in float32. */
const IN_FLOAT32 = KERNEL_DTYPES.filter((dtype) => dtype !== 'float64');

/** The kernels by name. Their order is that of the exports. */
export const KERNELS = {
  forward: {
    calls: 'forward<T>',
    file: 'forward',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'stride', 'targets', 'scale', 'offsets', 'results'],
    returns: 'void',
    meaning: 'Stores the columns of RowBlock.',
  },
  gradient: {
    calls: 'gradient<T>',
    file: 'gradient',
    dtypes: KERNEL_DTYPES,
    parameters: [
      ...BLOCK,
      'targets',
      'scale',
      'offsets',
      'results',
      'coefficients',
      'weights',
      'unit',
      'relativeWeight',
      'probabilities',
      'masses',
      'gradients',
      'scales',
    ],
    returns: 'void',
    meaning:
      'Stores what `forward` does, and the gradient with respect to x of the sum that the coefficients describe.',
  },
  norms: {
    calls: 'norms<T>',
    file: 'norm',
    dtypes: ['float32', 'float64'],
    parameters: ['gradients', 'rows', 'classes', 'scales', 'out'],
    returns: 'void',
    meaning: 'Stores f64 per row of a gradient: √Σ g².',
  },
  narrow: {
    calls: 'narrowTo<T>',
    file: 'narrow',
    dtypes: ['float32', 'float64'],
    parameters: ['gradients', 'count', 'factor', 'to', 'out'],
    returns: 'void',
    meaning: 'Stores values of a gradient, rounded to the dtype that it is returned in.',
  },
  sum: {
    calls: 'sumOf',
    file: 'compensated',
    dtypes: ['float64'],
    parameters: ['weights', 'count', 'unit'],
    returns: 'f64',
    meaning: 'Returns Σ w / unit, compensated.',
  },
  find: {
    calls: 'findNonFinite<T>',
    file: 'find',
    dtypes: KERNEL_DTYPES,
    parameters: ['row', 'from', 'classes', 'kinds'],
    returns: 'i32',
    meaning: 'Returns the next column of a row that holds a value of the given kinds; −1 when there is none.',
  },
  rank: {
    calls: 'rank<T>',
    file: 'rank',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'targets', 'out'],
    returns: 'void',
    meaning: 'Stores the columns of RowRanks.',
  },
  uniform: {
    calls: 'uniform<T>',
    file: 'uniform',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'targets', 'scale', 'offsets', 'results', 'weights', 'unit', 'relativeWeight', 'out'],
    returns: 'void',
    meaning: 'Stores f64 per evaluated row: Σ w·(lse − x) / unit, for label smoothing.',
  },
  entropy: {
    calls: 'entropy<T>',
    file: 'entropy',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'scale', 'results', 'out'],
    stores: 'column',
    returns: 'void',
    meaning: 'Stores f64 per evaluated row: the entropy of the softmax.',
  },
  probabilities: {
    calls: 'readProbabilities<T>',
    file: 'probabilities',
    dtypes: KERNEL_DTYPES,
    parameters: ['received', 'rows', 'classes', 'targets', 'weights', 'probabilities', 'masses'],
    returns: 'void',
    meaning:
      'Stores class probabilities as f64, the columns of RowMasses, and as target of a row its most probable class.',
  },
  cross_entropy: {
    calls: 'crossEntropy<T>',
    file: 'probabilities',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'targets', 'scale', 'offsets', 'results', 'probabilities', 'weights', 'out'],
    returns: 'void',
    meaning: 'Stores the columns of CrossEntropies; the weighted one only with weights.',
  },
  transform: {
    calls: 'transform<T>',
    file: 'transform',
    dtypes: KERNEL_DTYPES,
    parameters: ['logits', 'count', 'scale', 'cap', 'out'],
    returns: 'void',
    meaning: 'Stores x = cap·tanh(scale·logit / cap) as f64 per element.',
  },
  chain: {
    calls: 'chain<T>',
    file: 'transform',
    dtypes: KERNEL_DTYPES,
    parameters: ['logits', 'count', 'scale', 'cap', 'gradients'],
    returns: 'void',
    meaning: 'Turns a gradient with respect to x, in f64, into the one with respect to the logits.',
  },
  softcap: {
    calls: 'softcap<T>',
    file: 'softcap',
    dtypes: IN_FLOAT32,
    parameters: [...BLOCK, 'targets', 'scale', 'cap', 'offsets', 'given', 'out'],
    returns: 'void',
    meaning:
      'Stores x = cap·tanh(scale·logit / cap) − offset as f32 per element, and the columns of RowOffsets and GivenRows.',
  },
  softcap_chain: {
    calls: 'softcapChain<T>',
    file: 'softcap',
    dtypes: IN_FLOAT32,
    parameters: ['logits', 'count', 'scale', 'cap', 'gradients'],
    returns: 'void',
    meaning: 'Multiplies a gradient, in f32, by 1 − tanh²(scale·logit / cap).',
  },
  softmax_moments: {
    calls: 'softmaxMoments<T>',
    file: 'softmax-moments',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'targets', 'scale', 'results', 'weights', 'out'],
    returns: 'void',
    meaning: 'Stores the columns of SoftmaxMoments.',
  },
  heap_base: {
    calls: 'heapBase',
    file: 'variant',
    dtypes: [],
    parameters: [],
    returns: 'usize',
    meaning: 'Returns the address at which free memory begins.',
  },
  multiply_add_is_fused: {
    calls: 'multiplyAddIsFused',
    file: 'variant',
    dtypes: [],
    parameters: [],
    returns: 'bool',
    meaning: 'Returns true when the relaxed multiply-add rounds once.',
  },
  survey: {
    calls: 'survey<T>',
    file: 'survey',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'targets', 'histogram', 'out'],
    returns: 'void',
    meaning: 'Stores the columns of RowSurvey, and a histogram of the rows that are not left out.',
  },
  count: {
    calls: 'countValue<T>',
    file: 'find',
    dtypes: KERNEL_DTYPES,
    parameters: ['row', 'count', 'value'],
    returns: 'u32',
    meaning: 'Returns how many elements equal a value.',
  },
  subnormals: {
    calls: 'countSubnormals',
    file: 'find',
    dtypes: ['float16', 'bfloat16'],
    parameters: ['row', 'count', 'leastNormal'],
    returns: 'u32',
    meaning: 'Returns how many elements other than 0 are of smaller magnitude than a normal number.',
  },
  rank_of: {
    calls: 'rankOf<T>',
    file: 'rank',
    dtypes: KERNEL_DTYPES,
    parameters: ['row', 'classes', 'target'],
    returns: 'i32',
    meaning: 'Returns the rank of the target of one row, see RowRanks.',
  },
  widen: {
    calls: 'widen<T>',
    file: 'widen',
    dtypes: FLOAT8_DTYPES,
    parameters: ['elements', 'count', 'out'],
    returns: 'void',
    meaning: 'Stores elements as bfloat16, exactly. Reads and stores whole vectors of 16 elements.',
  },
  promote: {
    calls: 'promote<T>',
    file: 'promote',
    dtypes: ['float16', 'bfloat16'],
    parameters: ['elements', 'count', 'out'],
    returns: 'void',
    meaning: 'Stores elements as f32, exactly.',
  },
  keep: {
    calls: 'keepExponentials<T>',
    file: 'keep',
    dtypes: KERNEL_DTYPES,
    parameters: [...BLOCK, 'targets', 'scale', 'results', 'first', 'end', 'exponentials', 'origins'],
    returns: 'void',
    meaning: 'Stores for some rows what `forward` does, their exponentials and origins. float64 is scaled too.',
  },
  divergence: {
    calls: 'divergence<T>',
    file: 'divergence',
    dtypes: KERNEL_DTYPES,
    parameters: [...PAIR, 'out'],
    returns: 'void',
    meaning: 'Stores the columns of RowDivergences of some rows, from what `keep` stored for both sides.',
  },
  divergence_gradient: {
    calls: 'divergenceGradient<T>',
    file: 'divergence-gradient',
    dtypes: KERNEL_DTYPES,
    parameters: [...PAIR, 'direction', 'divergences', 'coefficients', 'gradients', 'scales'],
    returns: 'void',
    meaning: 'Stores the gradient of the divergence with respect to the logits of q, of some rows.',
  },
  truncated_divergence: {
    calls: 'truncatedDivergence<T>',
    file: 'truncated-divergence',
    dtypes: KERNEL_DTYPES,
    parameters: [...SIDES, 'floor', 'out'],
    returns: 'void',
    meaning:
      'As `divergence`, over the classes with log p > −floor. The excess is 0, the total is Σ p of these classes.',
  },
  truncated_gradient: {
    calls: 'truncatedGradient<T>',
    file: 'truncated-divergence',
    dtypes: KERNEL_DTYPES,
    parameters: [...SIDES, 'floor', 'divergences', 'coefficients', 'gradients', 'scales'],
    returns: 'void',
    meaning: 'Stores the gradient of the truncated divergence with respect to the logits of q, of some rows.',
  },
} satisfies Record<string, KernelRow>;

export interface Layout {
  meaning: string;
  /** True for columns that are input of the kernels. */
  isInput?: true;
  /** Type and meaning of each column; those of f64 come first. */
  columns: Record<string, readonly [type: 'f64' | 'i32', meaning: string]>;
}

/** Results and coefficients of rows: one column after the other, each with an entry per row. */
export const LAYOUTS = {
  RowBlock: {
    meaning: 'Results of the rows of a block.',
    columns: {
      lse: ['f64', 'log Σ exp of the logits.'],
      targetLogit: ['f64', 'The logit at the target; 0 without one.'],
      nll: ['f64', '−log softmax at the target; 0 without one.'],
      maximum: ['f64', 'The greatest finite logit, before any transform; −Infinity when none is finite.'],
      reference: [
        'f64',
        'A logit r, at most about 22 below the maximum. lse = r + log S, rounded to the size of r. In memory it is a value v, before scale and offset.',
      ],
      logSum: ['f64', 'log S with S = Σ exp(x − r). The softmax is exp(x − r)·exp(−log S), for any size of r.'],
      nanCount: ['i32', 'Number of NaN.'],
      posInfCount: ['i32', 'Number of +Infinity.'],
      negInfCount: ['i32', 'Number of −Infinity.'],
    },
  },
  RowOffsets: {
    meaning: 'Offset of each row, and the value of its target.',
    columns: {
      offset: ['f64', 'x − v of all its values v.'],
      target: ['f64', 'v of the target, more exact than the stored one.'],
    },
  },
  GivenRows: {
    meaning: 'Results about the logits as received, before any transform.',
    columns: {
      maximum: ['f64', 'The greatest finite logit; −Infinity when none is finite.'],
      nanCount: ['i32', 'Number of NaN.'],
      posInfCount: ['i32', 'Number of +Infinity.'],
      negInfCount: ['i32', 'Number of −Infinity.'],
    },
  },
  RowMasses: {
    meaning: 'Results about class probabilities that need no logits.',
    columns: {
      masses: ['f64', 'Σ_c w_c·p_c'],
      sums: ['f64', 'Σ_c p_c'],
      odd: ['i32', 'Bits of Odd.'],
    },
  },
  GradientCoefficients: {
    meaning: 'Coefficients of the gradient t·(Σ_k w_k p_k·s_c − w_c p_c) + b·(Σ_k w_k·s_c − w_c) + z·lse·s_c.',
    isInput: true,
    columns: {
      t: ['f64', 'Includes the weight of the target for class indices, where p is 1.'],
      b: ['f64', 'Coefficient of label smoothing.'],
      z: ['f64', 'Coefficient of the z-loss.'],
    },
  },
  CrossEntropies: {
    meaning: 'Cross-entropies with class probabilities. A class of probability 0 adds nothing.',
    columns: {
      nll: ['f64', '−Σ_c p_c·log s_c'],
      weighted: ['f64', '−Σ_c w_c·p_c·log s_c'],
    },
  },
  RowRanks: {
    meaning: 'Maximum and rank of the target of each row. NaN are ignored.',
    columns: {
      maximum: ['f64', 'The maximum.'],
      predictions: ['i32', 'Index of the maximum, the lowest on ties.'],
      targetRank: [
        'i32',
        'Number of classes before the target when sorted by value, then by index; −1 without a target or when it is NaN.',
      ],
    },
  },
  SoftmaxMoments: {
    meaning:
      'Moments of each row over the classes c other than the target. q is the softmax of these classes, Σ q = 1, and w their weights, 1 without. The gradient of such a class is A·q_c − b·w_c = A·(q_c − α·w_c) + (A·α − b)·w_c.',
    columns: {
      softmaxSpread: ['f64', '√Σ (q_c − α·w_c)²'],
      softmaxAlong: ['f64', 'Σ (q_c − α·w_c)·w_c'],
      softmaxSlope: ['f64', 'α = 1 / Σ w, or 0.'],
      weightNorm: ['f64', '√Σ w_c²'],
    },
  },
  RowDivergences: {
    meaning: 'Divergence of q from p.',
    columns: {
      divergence: ['f64', 'KL(p‖q), or the Jensen–Shannon divergence; NaN without a finite lse, 0 for rows left out.'],
      excess: ['f64', 'log Σ q with q by the two lse: an error of the lse, which the divergence is free of.'],
      total: ['f64', 'Σ of the exponentials of p.'],
      infinite: ['i32', 'First class with q = 0 and p > 0, where that makes the divergence infinite; else −1.'],
    },
  },
  RowSurvey: {
    meaning: 'Norms, extremes and counts of the values of each row.',
    columns: {
      norms: ['f64', '√Σ x² over finite values.'],
      maximum: ['f64', 'Maximum of the finite values; −Infinity when none is finite.'],
      minimum: ['f64', 'Minimum of the finite values; Infinity when none is finite.'],
      nanCount: ['i32', 'Number of NaN.'],
      posInfCount: ['i32', 'Number of +Infinity.'],
      negInfCount: ['i32', 'Number of −Infinity.'],
    },
  },
} satisfies Record<string, Layout>;
