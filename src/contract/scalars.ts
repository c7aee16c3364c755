import { Type } from '#typebox';
import { RunName } from './run-name.ts';
import { count, numberOrNonFinite } from './tensor.ts';

/** Maximum number of characters of the name of a scalar. */
export const MOST_NAME = 256;

/** Maximum number of characters of the name of a device. */
export const MOST_DEVICE = 128;

/** Maximum number of points of an answer. */
const MOST_POINTS = 2000;

/** Largest attempt. */
export const MOST_ATTEMPT = 2 ** 31 - 1;

/** Maximum number of scalars of an item. */
export const MOST_SCALARS = 4096;

/** A character of a name, as a part of a pattern: control characters would break lines of logs and of exports. */
const CHARACTER = String.raw`[^\x00-\x1f\x7f]`;

/** Patterns of the name of a scalar and of a device. */
export const SCALAR_PATTERN = `^${CHARACTER}{1,${MOST_NAME}}$`;
export const DEVICE_PATTERN = `^${CHARACTER}{0,${MOST_DEVICE}}$`;

const ScalarName = Type.String({
  title: 'ScalarName',
  minLength: 1,
  maxLength: MOST_NAME,
  description: 'Name of a scalar: 1 to 256 characters, none of them a control character. Slashes group names.',
  examples: ['grad_norm/layers.3'],
});

/** Fields of a recording in addition to its batch or pair. */
export const besides = {
  scalars: Type.Optional(
    Type.Unsafe<Record<string, number>>(
      Type.Record(Type.String({ pattern: SCALAR_PATTERN }), numberOrNonFinite('The number.', 3e-4), {
        title: 'Scalars',
        additionalProperties: false,
        maxProperties: MOST_SCALARS,
        description:
          'Named numbers of the step and the rank, finite or not: the learning rate, the norm of the gradient, the validation loss. A name has 1 to 256 characters, none of them a control character; slashes group names.',
        examples: [{ lr: 3e-4, 'grad_norm/layers.3': 0.17 }],
      }),
    ),
  ),
  device: Type.Optional(
    Type.String({
      maxLength: MOST_DEVICE,
      pattern: DEVICE_PATTERN,
      description:
        'Device that computed the batch, as the trainer names it, without control characters. When a batch is computed again, the devices distinguish a faulty device from wrong data.',
      examples: ['node-3/cuda:1'],
    }),
  ),
  declared_loss: Type.Optional(
    numberOrNonFinite(
      'Loss that the trainer itself reports for this step and rank. Stored as the scalar `declared_loss`.',
      1.93,
    ),
  ),
};

const recordedStep = (description: string, example: number) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description, examples: [example] });

export const ScalarList = Type.Object(
  {
    scalars: Type.Array(
      Type.Object(
        {
          name: ScalarName,
          points: count('Recorded numbers, of all steps, ranks and attempts.', 41201),
          last_step: Type.Optional(
            recordedStep('Last step with a number; absent when all numbers are superseded.', 41200),
          ),
          last_value: Type.Optional(numberOrNonFinite('Mean over the ranks at `last_step`.', 0.17)),
        },
        { title: 'ScalarSummary', additionalProperties: false, description: 'A scalar of the run.' },
      ),
      { description: 'Scalars, by their names.', examples: [[]] },
    ),
  },
  { title: 'ScalarList', additionalProperties: false, description: 'Scalars of a run.' },
);

const ScalarPoint = Type.Object(
  {
    step: recordedStep('Step.', 41200),
    attempt: count('Attempt of the step.', 0),
    value: numberOrNonFinite(
      'Mean over the ranks that reported; not finite when the number of a rank is not finite.',
      0.17,
    ),
    ranks: count('Ranks that reported.', 8),
    min: Type.Optional(numberOrNonFinite('The least finite number of a rank; absent for a single rank.', 0.16)),
    max: Type.Optional(numberOrNonFinite('The greatest finite number of a rank; absent for a single rank.', 0.18)),
    non_finite: Type.Boolean({ description: 'True when the number of a rank is not finite.', examples: [false] }),
    spike: Type.Boolean({
      description: 'True when the value is a spike, by the same rule as for losses: see docs/diagnostics.md.',
      examples: [false],
    }),
  },
  { title: 'ScalarPoint', additionalProperties: false, description: 'A scalar at a step.' },
);

export const ScalarCurve = Type.Object(
  {
    points: Type.Array(ScalarPoint, { description: 'Points in the order of their steps.', examples: [[]] }),
    next: Type.Optional(
      Type.String({
        pattern: '^\\d{1,16}$',
        description: '`cursor` of the next page; absent on the last.',
        examples: ['17'],
      }),
    ),
  },
  { title: 'ScalarCurve', additionalProperties: false, description: 'A scalar of a run over its steps.' },
);

const attempt = (description: string) => count(description, 1);

export const AttemptList = Type.Object(
  {
    attempts: Type.Array(
      Type.Object(
        {
          attempt: attempt('Number of the attempt.'),
          first_step: recordedStep('First step of the attempt.', 40000),
          superseded_from: Type.Optional(
            recordedStep(
              'First step of this attempt that a later attempt superseded; absent when none is superseded.',
              41000,
            ),
          ),
        },
        { title: 'Attempt', additionalProperties: false, description: 'An attempt of the trainer.' },
      ),
      { description: 'The last 10,000 attempts, in ascending order.', examples: [[{ attempt: 0, first_step: 0 }]] },
    ),
  },
  { title: 'AttemptList', additionalProperties: false, description: 'Attempts of a run.' },
);

const step = (description: string, standard: number) =>
  Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: standard,
    description,
    examples: [Math.min(standard, 1000)],
  });

export const ScalarParams = Type.Object(
  { run: RunName, name: ScalarName },
  { additionalProperties: false, description: 'A scalar of a run; its name is percent-encoded, slashes too.' },
);

export const ScalarQuery = Type.Object(
  {
    from: step('First step.', 0),
    to: step('Last step.', Number.MAX_SAFE_INTEGER),
    max_points: Type.Optional(
      Type.Integer({
        minimum: 8,
        maximum: MOST_POINTS,
        examples: [500],
        description:
          'Maximum number of points, selected to show the shape of the curve: the first and last point of the range, the smallest and largest value of each bucket of equally many steps, and the ends of each stretch of non-finite values.',
      }),
    ),
    limit: Type.Integer({
      minimum: 1,
      maximum: MOST_POINTS,
      default: MOST_POINTS,
      examples: [MOST_POINTS],
      description: 'Maximum number of consecutive points. Applies without `max_points`.',
    }),
    cursor: Type.Optional(
      Type.String({ pattern: '^\\d{1,16}$', description: '`next` of the previous page.', examples: ['10000'] }),
    ),
    attempt: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MOST_ATTEMPT,
        examples: [0],
        description: 'Attempt whose steps are returned, including superseded steps. Default: the curve of the run.',
      }),
    ),
  },
  { additionalProperties: false, description: 'A range of steps.' },
);
