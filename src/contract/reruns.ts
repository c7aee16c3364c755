import { Type } from '#typebox';
import type { Static } from '#typebox';
import { MOST_PARTS } from './run-metadata.ts';
import { RunName } from './run-name.ts';
import { count, numberOrNonFinite } from './tensor.ts';

const rank = Type.Integer({ minimum: 0, maximum: MOST_PARTS - 1, description: 'Rank.', examples: [3] });
const microBatch = count('Micro-batch of the rank.', 0);
const device = (description: string) => Type.Optional(Type.String({ description, examples: ['node-3/cuda:1'] }));
const sameLabels = Type.Optional(
  Type.Boolean({
    description: 'False when the labels, and so the batches, differ. Absent when the labels are unknown.',
    examples: [true],
  }),
);

export const RerunsQuery = Type.Object(
  {
    limit: Type.Integer({
      minimum: 1,
      maximum: 200,
      default: 100,
      examples: [100],
      description: 'Maximum number of micro-batches.',
    }),
    cursor: Type.Optional(
      Type.String({
        pattern: '^\\d{1,7}\\.\\d{1,7}$',
        description: '`next` of the previous page: rank and micro-batch.',
        examples: ['3.17'],
      }),
    ),
    tolerance: Type.Optional(
      Type.String({
        pattern: '^(\\d{1,9}(\\.\\d{1,20})?|\\.\\d{1,20})(e-?\\d{1,2})?$',
        description:
          'Largest relative difference of losses at which two results count as the same, for kernels whose summation order varies. A number; 0 by default, as in Megatron.',
        examples: ['1e-6'],
      }),
    ),
  },
  { additionalProperties: false, description: 'A page of the micro-batches of a step.' },
);

const Rerun = Type.Object(
  {
    rank,
    micro_batch: microBatch,
    attempts: Type.Array(
      Type.Object(
        {
          attempt: count('Attempt of the trainer.', 1),
          device: device('Device that computed this result, as the trainer named it.'),
          loss: numberOrNonFinite('numerator / denominator.', 1.93),
        },
        { title: 'RerunAttempt', additionalProperties: false, description: 'A result of the micro-batch.' },
      ),
      { description: 'Results in the order of their attempts, the last 32.', examples: [[]] },
    ),
    same_bits: Type.Boolean({ description: 'True when all results have the same bits.', examples: [false] }),
    same_labels: sameLabels,
    relative_difference: numberOrNonFinite(
      '(loss − first) / |first|. `first` is the loss of the first attempt, and `loss` is the loss that is farthest from it.',
      1.2e-7,
    ),
    first_differing_row: Type.Optional(
      count(
        'First row that has different losses in the first attempt and in the next attempt with another result. Absent when no row differs, or row losses are not stored.',
        17,
      ),
    ),
    verdict: Type.Enum(['transient', 'persistent', 'correct', 'undetermined'], {
      title: 'RerunVerdict',
      description:
        '`transient`: the same device gave a different result. `persistent`: the same device repeated its result, and another device gave a different one. `correct`: all devices, at least two, gave the same result. `undetermined`: the attempts and their devices do not decide, or the batches differ.',
      examples: ['transient'],
    }),
  },
  { title: 'Rerun', additionalProperties: false, description: 'A micro-batch that was recorded in several attempts.' },
);

export const RerunList = Type.Object(
  {
    reruns: Type.Array(Rerun, { description: 'In the order of rank and micro-batch.', examples: [[]] }),
    next: Type.Optional(
      Type.String({
        pattern: '^\\d{1,7}\\.\\d{1,7}$',
        description: '`cursor` of the next page; absent on the last.',
        examples: ['3.17'],
      }),
    ),
  },
  { title: 'RerunList', additionalProperties: false, description: 'Micro-batches of a step that were computed again.' },
);
export type RerunList = Static<typeof RerunList>;

const step = count('Step.', 41200);
const PLACE_PATTERN = '^\\d{1,16}\\.\\d{1,7}\\.\\d{1,7}$';

export const ComparisonQuery = Type.Object(
  {
    with: RunName,
    cursor: Type.Optional(
      Type.String({
        pattern: PLACE_PATTERN,
        description: '`next` of the previous answer; or the step, rank and micro-batch at which the comparison begins.',
        examples: ['41200.0.0'],
      }),
    ),
  },
  { additionalProperties: false, description: 'The other run, and where the comparison begins.' },
);

const Place = (description: string) =>
  Type.Optional(
    Type.Object(
      { step, rank, micro_batch: microBatch },
      { title: 'BatchPlace', additionalProperties: false, description },
    ),
  );

export const RunComparison = Type.Object(
  {
    same: count('Number of micro-batches that this request compared and that have identical bits in both runs.', 1024),
    difference: Type.Optional(
      Type.Object(
        {
          step,
          rank,
          micro_batch: microBatch,
          loss: numberOrNonFinite('Loss of the micro-batch in this run.', 1.93),
          other_loss: numberOrNonFinite('Its loss in the other run.', 1.94),
          relative_difference: numberOrNonFinite('(other_loss − loss) / |loss|.', 0.0052),
          device: device('Device of this run.'),
          other_device: device('Device of the other run.'),
          same_labels: sameLabels,
          row: Type.Optional(
            Type.Object(
              {
                row: count('Index of the row.', 17),
                loss: numberOrNonFinite('Its loss in this run.', 2.5),
                other_loss: numberOrNonFinite('Its loss in the other run.', 9.1),
              },
              {
                title: 'DifferingRow',
                additionalProperties: false,
                description: 'The first row that differs; absent when row losses are not stored.',
              },
            ),
          ),
        },
        { title: 'RunDifference', additionalProperties: false, description: 'The first micro-batch that differs.' },
      ),
    ),
    only_here: Place(
      'First micro-batch that only this run has. Micro-batches after the end of the other run are not compared.',
    ),
    only_there: Place(
      'First micro-batch that only the other run has. Micro-batches after the end of this run are not compared.',
    ),
    next: Type.Optional(
      Type.String({
        pattern: PLACE_PATTERN,
        description:
          '`cursor` that continues the comparison; absent when a difference, or the end of a run, is reached.',
        examples: ['41200.0.0'],
      }),
    ),
  },
  { title: 'RunComparison', additionalProperties: false, description: 'The first difference of two runs.' },
);
export type RunComparison = Static<typeof RunComparison>;
