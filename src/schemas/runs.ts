import { Type } from 'typebox';
import type { TProperties } from 'typebox';
import { CAUSES } from '../diagnostics/causes.ts';
import { MOST_KEPT } from '../runs/kept-diagnostics.ts';
import { ExpectedRanks, Labels, MOST_PARTS } from '../runs/metadata.ts';
import { CURSOR_PATTERN, SORTS } from '../runs/run-query.ts';
import { MOST_SEARCH } from '../runs/search.ts';
import { CrossEntropyReply, CrossEntropyRequest } from './cross-entropy.ts';
import { Diagnostics } from './diagnostics.ts';
import { count, numberOrNonFinite } from './tensor.ts';

/** Valid names of runs. */
const RUN_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}$';

const object = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });

const integer = (minimum: number, maximum: number, description: string, example: number, options: object = {}) =>
  Type.Integer({ minimum, maximum, description, examples: [example], ...options });

const Run = Type.String({
  pattern: RUN_PATTERN,
  description: 'Name of the run: up to 128 letters, digits, . _ ~ : -, a letter or digit first.',
  examples: ['gpt-1b.seed-7'],
});

const Step = integer(0, Number.MAX_SAFE_INTEGER, 'Step of the training.', 41200);
const Rank = integer(0, MOST_PARTS - 1, 'Data-parallel rank.', 3);
const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-01-31T12:00:00.000Z'] });

export const RunParams = object({ run: Run }, 'A run.');
export const StepParams = object({ run: Run, step: Step }, 'A step of a run.');
export const RankParams = object({ run: Run, step: Step, rank: Rank }, 'A rank of a step.');

export const RecordQuery = object(
  {
    micro_batch: integer(0, MOST_PARTS - 1, 'Micro-batch of the rank.', 0, { default: 0 }),
    attempt: integer(
      0,
      2 ** 31 - 1,
      'Attempt of the trainer. One that resumes from a checkpoint raises it: a step is made of the batches of its highest attempt, and steps of lower attempts behind it are no longer part of the run.',
      0,
      { default: 0 },
    ),
  },
  'Which batch of the rank it is.',
);

export const RunsQuery = object(
  {
    search: Type.Optional(
      Type.String({
        maxLength: MOST_SEARCH,
        description:
          'Words, between white space. Every word must occur in the name of the run or in one of its labels, as `name=value`. Upper and lower case are the same, and no character is a wildcard. Without words all runs match.',
        examples: ['gpt model=gpt-1b'],
      }),
    ),
    sort: Type.Enum([...SORTS], {
      default: 'newest',
      description:
        '`newest` or `oldest` first, by their creation; by `name`, in the order of its ASCII characters; or `updated`, those in which something was recorded last first.',
      examples: ['updated'],
    }),
    limit: integer(1, 200, 'Runs at most.', 50, { default: 50 }),
    cursor: Type.Optional(
      Type.String({
        pattern: CURSOR_PATTERN,
        description: '`next` of the page before, with the `search` and the `sort` of that page: others are refused.',
        examples: ['17'],
      }),
    ),
  },
  'A page of runs.',
);

export const StepsQuery = object(
  {
    from: integer(0, Number.MAX_SAFE_INTEGER, 'First step.', 0, { default: 0 }),
    to: integer(0, Number.MAX_SAFE_INTEGER, 'Last step.', 1000, { default: Number.MAX_SAFE_INTEGER }),
    max_points: Type.Optional(
      integer(
        4,
        20_000,
        'Most steps that show the range: its first and its last; the steps that are not finite; and of buckets of equally many finite losses the least and the greatest. Where steps that are not finite take more than half of the points, the first and the last of groups of them stand for all.',
        1000,
      ),
    ),
    limit: integer(1, 20_000, 'Steps at most, without `max_points`.', 5000, { default: 5000 }),
    cursor: Type.Optional(
      Type.String({ pattern: '^\\d{1,16}$', description: '`next` of the page before.', examples: ['10000'] }),
    ),
  },
  'A range of steps.',
);

export const StepQuery = object(
  {
    limit: integer(
      1,
      2000,
      'Micro-batches at most; fewer where much is told of them: an answer has some 256 KiB of diagnostics.',
      500,
      { default: 500 },
    ),
    cursor: Type.Optional(
      Type.String({
        pattern: '^\\d{1,7}\\.\\d{1,7}$',
        description: '`next` of the page before.',
        examples: ['3.17'],
      }),
    ),
  },
  'A page of the micro-batches of a step.',
);

export const ExportQuery = object(
  {
    format: Type.Enum(['csv', 'jsonl'], {
      default: 'csv',
      description: 'CSV, or a JSON object a line.',
      examples: ['csv'],
    }),
    of: Type.Enum(['steps', 'batches'], {
      default: 'steps',
      description: 'Steps, or the micro-batches that they are made of.',
      examples: ['steps'],
    }),
  },
  'What is downloaded.',
);

export const EventsQuery = object(
  {
    last_event_id: Type.Optional(
      Type.String({
        pattern: '^\\d{1,16}$',
        description: 'Id of the last event that was seen, where the header `Last-Event-ID` cannot be sent.',
        examples: ['4711'],
      }),
    ),
  },
  'Where to go on.',
);

export const RunSummary = object(
  {
    run: Run,
    labels: Labels,
    expected_ranks: Type.Optional(ExpectedRanks),
    created_at: time('When it was made.'),
    updated_at: time('When something was recorded last.'),
    status: Type.Enum(['active', 'idle'], {
      description: '`active` when something was recorded in the last five minutes.',
      examples: ['active'],
    }),
    steps: count('Steps, without those that a later attempt superseded.', 41201),
    batches: count('Micro-batches, those of superseded steps among them.', 1318432),
    ranks: count('Ranks that it is known to have: the highest that reported, and 1.', 8),
    non_finite_steps: count('Steps whose loss, or a batch of which, is not finite.', 1),
    last_step: Type.Optional(integer(0, Number.MAX_SAFE_INTEGER, 'Last step, of the newest attempt.', 41200)),
    last_loss: Type.Optional(numberOrNonFinite('Loss of the last step.', 1.93)),
    best_step: Type.Optional(Step),
    best_loss: Type.Optional(numberOrNonFinite('The least finite loss of a step.', 1.87)),
    sparkline: Type.Array(numberOrNonFinite('A finite loss.', 2.5), {
      maxItems: 64,
      description: 'Finite losses, about evenly spaced over the steps.',
      examples: [[4.1, 2.5, 1.93]],
    }),
  },
  'A run in short.',
);

const next = Type.Optional(
  Type.String({
    pattern: '^\\d{1,16}$',
    description: '`cursor` of the next page; absent on the last.',
    examples: ['17'],
  }),
);

export const RunList = object(
  {
    runs: Type.Array(RunSummary, { description: 'Runs that match, in the order of `sort`.', examples: [[]] }),
    next: Type.Optional(
      Type.String({
        pattern: CURSOR_PATTERN,
        description: '`cursor` of the next page; absent on the last.',
        examples: ['17'],
      }),
    ),
    total: Type.Optional(count('Runs that match, on all pages; on the first page only.', 120)),
    active: Type.Optional(count('Runs among them whose `status` is `active`; on the first page only.', 3)),
    non_finite: Type.Optional(count('Runs among them with steps that are not finite; on the first page only.', 1)),
  },
  'A page of runs.',
);

const pointProperties = {
  step: Step,
  attempt: count('The attempt that its batches are of.', 0),
  loss: numberOrNonFinite(
    'Σ numerators / Σ denominators over ranks and micro-batches, each sum rounded once, so that no order shows; NaN where nothing is counted.',
    1.93,
  ),
  numerator: numberOrNonFinite('Σ numerators.', 15810.56),
  denominator: numberOrNonFinite('Σ denominators.', 8192),
  complete: Type.Boolean({
    description: 'Whether all ranks reported: those expected, or those that the run is known to have.',
    examples: [true],
  }),
  non_finite: Type.Boolean({ description: 'Whether the loss, or a batch, is not finite.', examples: [false] }),
  spike: Type.Boolean({ description: 'Whether the loss is a spike: see docs/diagnostics.md.', examples: [false] }),
  ranks: count('Ranks that reported.', 8),
  rank_losses: Type.Optional(
    object(
      { min: numberOrNonFinite('The least.', 1.88), max: numberOrNonFinite('The greatest.', 1.99) },
      'Finite local losses of ranks; absent when there is none.',
    ),
  ),
  recorded_at: time('When its last batch was recorded.'),
  causes: Type.Optional(
    Type.Array(Type.Enum([...CAUSES], { description: 'As `diagnostics.causes` has it.', examples: ['nan_logit'] }), {
      description: 'Why it is not finite; absent when it is.',
      examples: [['nan_logit']],
    }),
  ),
  summary: Type.Optional(
    Type.String({
      description: 'That of the first batch that is not finite.',
      examples: ['step 41200, rank 3: NaN in 3 of 4096 rows; first at row 17, class 20011 (not the label)'],
    }),
  ),
};

const StepPoint = object(pointProperties, 'A step.');

export const StepList = object(
  { steps: Type.Array(StepPoint, { description: 'Steps in their order.', examples: [[]] }), next },
  'Steps of a run.',
);

const MicroBatch = object(
  {
    micro_batch: count('Its number within the rank.', 0),
    loss: numberOrNonFinite('numerator / denominator.', 1.93),
    numerator: numberOrNonFinite('Σ m·ℓ.', 1976.32),
    denominator: numberOrNonFinite('D.', 1024),
    recorded_at: time('When it was recorded.'),
    diagnostics: Type.Object(
      { ...Type.Partial(Diagnostics).properties },
      {
        additionalProperties: false,
        description: `Verdict, summary and causes; where something was found, all that an evaluation says, but of \`locations\` and \`local_losses\` the first ${MOST_KEPT} only.`,
      },
    ),
  },
  'A micro-batch.',
);

const RankDetail = object(
  {
    rank: Rank,
    loss: numberOrNonFinite('Its local loss: Σ numerators / Σ denominators of all its micro-batches.', 1.93),
    numerator: numberOrNonFinite('Σ numerators.', 1976.32),
    denominator: numberOrNonFinite('Σ denominators.', 1024),
    micro_batches: Type.Array(MicroBatch, { description: 'The ranks of this page, in their order.', examples: [[]] }),
  },
  'A rank.',
);

export const StepDetail = object(
  {
    run: Run,
    ...pointProperties,
    missing_ranks: Type.Array(Rank, {
      maxItems: 1024,
      description: 'Ranks that have not reported; the first 1024.',
      examples: [[5]],
    }),
    batches: Type.Optional(
      count('Micro-batches of the step, those of other pages among them; on the first page only.', 32),
    ),
    rank_details: Type.Array(RankDetail, {
      description:
        'Ranks in their order, with the micro-batches of this page. A rank of which this page has none is left out.',
      examples: [[]],
    }),
    next: Type.Optional(
      Type.String({
        pattern: '^\\d{1,7}\\.\\d{1,7}$',
        description: '`cursor` of the next page; absent on the last.',
        examples: ['3.17'],
      }),
    ),
  },
  'A step with all that it is made of.',
);

const { logits, label, input_mask, weight, options } = CrossEntropyRequest.properties;

/** The body of a recording. */
export const RecordRequest = Type.Object(
  {
    ...Type.Partial(Type.Object({ logits, label, input_mask, weight, options })).properties,
    numerator: Type.Optional(numberOrNonFinite('Σ m·ℓ, of a pair that was computed elsewhere.', 1976.32)),
    denominator: Type.Optional(numberOrNonFinite('D, which goes with it.', 1024)),
  },
  {
    additionalProperties: false,
    description:
      'What `/v1/cross-entropy` takes: it is evaluated and recorded. Or, from a trainer that has its loss already, `numerator` and `denominator` alone.',
    examples: [{ numerator: 1976.32, denominator: 1024 }],
  },
);

/** The answer to a recording: an evaluation; or for a recorded pair the fields that do not need logits. */
export const RecordReply = Type.Object(
  {
    ...Type.Partial(CrossEntropyReply).properties,
    numerator: CrossEntropyReply.properties.numerator,
    denominator: CrossEntropyReply.properties.denominator,
    diagnostics: Type.Object(
      { ...Type.Partial(Diagnostics).properties },
      {
        additionalProperties: false,
        description: 'As `/v1/cross-entropy` has it; of a pair verdict, summary and causes.',
      },
    ),
  },
  { additionalProperties: false, description: 'The evaluation; of a pair, its loss and what there is to say of it.' },
);
