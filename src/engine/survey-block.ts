import { NonFinite } from '../../kernels/abi.ts';
import type { ByteSource } from '../../kernels/arena.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { PLAIN, findNonFinite } from '../diagnostics/findings.ts';
import { subnormalsOf, surveyOf } from '../diagnostics/survey.ts';
import { ELEMENT_TYPES } from '../tensor/dtype.ts';
import type { Block, BlockResult } from './block.ts';
import { findRangeSigns } from './range-signs.ts';

/** Surveys the values of a block without computing a loss. */
export function surveyBlock(kernel: Kernel, block: Block, logits: Uint8Array | ByteSource): BlockResult {
  const { plan, targets, firstRow, mostPlaces } = block;
  const { dtype, classes } = plan;
  kernel.place({ dtype, classes, logits, targets });
  const surveyed = kernel.survey(plan.badInColumn!);
  const survey = surveyOf(surveyed, targets, firstRow);
  const none = new Float64Array(targets.length);
  const lse = none.map((_, row) => (surveyed.negInfCount[row] === classes ? -Infinity : 0));
  const targetLogit = none.map((_, row) => (isNegInfAtTarget(kernel, targets[row]!, row) ? -Infinity : 0));
  const facts = { ...surveyed, lse, targetLogit, nll: none, probabilities: undefined, uniformNll: undefined };
  const findings = findNonFinite(kernel.received, { ...PLAIN, facts, targets, classes, firstRow, mostPlaces });
  const subnormal = subnormalsOf(survey, ELEMENT_TYPES[dtype].float.leastNormalExponent);
  findings.signs = findRangeSigns(kernel.received, { dtype, classes, targets }, surveyed.maximum, {
    subnormal,
    minimum: surveyed.minimum,
  });
  return { columns: { nll: none }, findings, survey };
}

function isNegInfAtTarget(kernel: Kernel, target: number, row: number): boolean {
  return target >= 0 && kernel.received.nonFiniteKindOf(row, target) === NonFinite.negInf;
}
