/** Reruns and comparisons of runs under their names on the wire. */
import type { RerunList, RunComparison } from '../contract/reruns.ts';
import { lossOfBatch, relativeDifference } from './batch-facts.ts';
import type { PlaceInStep } from './batch-facts.ts';
import type { Comparison, Difference } from './comparison.ts';
import type { Rerun, RerunPage } from './disagreement/reruns.ts';
import type { BatchPlace } from './store.ts';

export function wireReruns({ reruns, next }: RerunPage): RerunList {
  return { reruns: reruns.map(wireRerun), ...(next && { next: `${next.rank}.${next.microBatch}` }) };
}

function wireRerun(rerun: Rerun): RerunList['reruns'][number] {
  const { sameLabels, firstDifferingRow, verdict } = rerun;
  return {
    rank: rerun.rank,
    micro_batch: rerun.microBatch,
    attempts: rerun.attempts.map(({ attempt, device, ...batch }) => ({
      attempt,
      ...(device !== undefined && { device }),
      loss: lossOfBatch(batch),
    })),
    same_bits: rerun.sameBits,
    ...(sameLabels !== undefined && { same_labels: sameLabels }),
    relative_difference: rerun.relativeDifference,
    ...(firstDifferingRow !== undefined && { first_differing_row: firstDifferingRow }),
    verdict,
  };
}

export function wireComparison({ same, difference, onlyHere, onlyThere, next }: Comparison): RunComparison {
  return {
    same,
    ...(difference && { difference: wireDifference(difference) }),
    ...(onlyHere && { only_here: wirePlace(onlyHere) }),
    ...(onlyThere && { only_there: wirePlace(onlyThere) }),
    ...(next && { next: `${next.step}.${next.rank}.${next.microBatch}` }),
  };
}

function wireDifference({ batch, other, sameLabels, row }: Difference): RunComparison['difference'] & {} {
  const [loss, otherLoss] = [lossOfBatch(batch), lossOfBatch(other)];
  return {
    ...wirePlace(batch),
    loss,
    other_loss: otherLoss,
    relative_difference: relativeDifference(loss, otherLoss),
    ...(batch.device !== undefined && { device: batch.device }),
    ...(other.device !== undefined && { other_device: other.device }),
    ...(sameLabels !== undefined && { same_labels: sameLabels }),
    ...(row && {
      row: {
        row: row.row,
        loss: row.loss,
        other_loss: row.otherLoss,
      },
    }),
  };
}

const wirePlace = ({ step, rank, microBatch }: BatchPlace & PlaceInStep) => ({ step, rank, micro_batch: microBatch });
