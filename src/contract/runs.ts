import { Type } from '#typebox';
import type { Static, TProperties } from '#typebox';
import { CAUSES } from '../diagnostics/causes.ts';
import { MOST_KEPT } from './limits.ts';
import { Archived, ExpectedRanks, Labels, MOST_PARTS, Notes, STATES, Tag, Tags } from './run-metadata.ts';
import { RunName as Run } from './run-name.ts';
import { Evaluation, CrossEntropyRequest } from './cross-entropy.ts';
import { DeclaredLoss } from './declared.ts';
import { Disagreement, Normalisation } from './disagreement.ts';
import { Diagnostics } from './diagnostics.ts';
import { MOST_ATTEMPT, besides } from './scalars.ts';
import { count, numberOrNonFinite } from './tensor.ts';

/** Orders of a list of runs. */
export const SORTS = ['newest', 'oldest', 'name', 'updated'] as const;

export type RunSort = (typeof SORTS)[number];

/**
 * Text of a cursor. A plain id continues the newest runs without a search. All other cursors name their order, their
 * search and a place: numbers, or a percent-encoded name.
 */
export const CURSOR_PATTERN = `^(\\d{1,15}|(${SORTS.join('|')})~[0-9a-f]{16}~[A-Za-z0-9._~:%!'()*-]{1,3072})$`;

/** Maximum number of steps of an answer about one attempt. */
export const MOST_ATTEMPT_STEPS = 2000;

/** Maximum number of characters of a search. */
const MOST_SEARCH = 256;

/** Maximum number of labels, and of tags, that filter a list. */
const MOST_FILTERS = 16;

/** Choices of archived runs. */
export const ARCHIVED = ['false', 'true', 'any'] as const;

const object = <P extends TProperties>(properties: P, description: string, title?: string) =>
  Type.Object(properties, { ...(title && { title }), additionalProperties: false, description });

const integer = (minimum: number, maximum: number, description: string, example: number, options: object = {}) =>
  Type.Integer({ minimum, maximum, description, examples: [example], ...options });

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
      MOST_ATTEMPT,
      'Attempt of the trainer, incremented when it resumes from a checkpoint. A step consists of the batches of its highest attempt. From its first step on, an attempt supersedes all steps of lower attempts.',
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
          'Words, separated by white space. Every word must occur in the name of the run, or in one of its labels as `name=value`. Case is ignored, and no character is a wildcard. Without words, all runs match.',
        examples: ['gpt model=gpt-1b'],
      }),
    ),
    state: Type.Optional(Type.Enum([...STATES], { description: 'Only runs of this `state`.', examples: ['running'] })),
    label: Type.Optional(
      Type.Array(
        Type.String({
          maxLength: 321,
          pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}=',
          description: 'A label as `name=value`.',
          examples: ['model=gpt-1b'],
        }),
        {
          maxItems: MOST_FILTERS,
          description:
            'Only runs with this label, as `name=value`. To require several labels, repeat the parameter. Numbers match by value: `lr=1e-4` finds `lr=0.0001`.',
          examples: [['model=gpt-1b']],
        },
      ),
    ),
    tag: Type.Optional(
      Type.Array(Tag, {
        maxItems: MOST_FILTERS,
        description: 'Only runs with this tag. To require several tags, repeat the parameter.',
        examples: [['baseline']],
      }),
    ),
    archived: Type.Enum([...ARCHIVED], {
      default: 'false',
      description: '`false`: runs that are not archived. `true`: archived runs. `any`: both.',
      examples: ['false'],
    }),
    sort: Type.Enum([...SORTS], {
      default: 'newest',
      description:
        'Order of the runs. `newest`: the last created run first. `oldest`: the first created run first. `name`: by name, in the order of code points. `updated`: the run with the latest recording first.',
      examples: ['updated'],
    }),
    limit: integer(1, 200, 'Maximum number of runs.', 50, { default: 50 }),
    cursor: Type.Optional(
      Type.String({
        pattern: CURSOR_PATTERN,
        description:
          '`next` of the previous page. Send it with the same search, filters and `sort`. With a different query, the cursor is invalid.',
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
        'Maximum number of steps, selected to show the shape of the curve. The first and the last step of the range are selected. Non-finite steps get up to half of the other points, or more when the finite steps need fewer. If not all of them fit into these points, they are divided into groups of equal size, and the first and the last step of each group are selected. The finite steps are divided into buckets of equal size; the steps with the smallest and the largest loss of each bucket are selected.',
        1000,
      ),
    ),
    limit: integer(1, 20_000, 'Maximum number of consecutive steps. Applies without `max_points`.', 5000, {
      default: 5000,
    }),
    cursor: Type.Optional(
      Type.String({ pattern: '^\\d{1,16}$', description: '`next` of the previous page.', examples: ['10000'] }),
    ),
    attempt: Type.Optional(
      integer(
        0,
        MOST_ATTEMPT,
        `Attempt whose steps are returned, including superseded steps. Spikes are judged by the earlier steps of the same attempt. The answer has at most ${MOST_ATTEMPT_STEPS} steps, whatever \`limit\` and \`max_points\` are. \`max_points\` then selects steps by the rule for scalars. Default: the curve of the run.`,
        0,
      ),
    ),
  },
  'A range of steps.',
);

export const StepQuery = object(
  {
    limit: integer(
      1,
      2000,
      'Maximum number of micro-batches. A page has fewer when their diagnostics exceed about 256 KiB.',
      500,
      { default: 500 },
    ),
    cursor: Type.Optional(
      Type.String({
        pattern: '^\\d{1,7}\\.\\d{1,7}$',
        description: '`next` of the previous page.',
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
      description: 'CSV, or one JSON object per line.',
      examples: ['csv'],
    }),
    of: Type.Enum(['steps', 'batches', 'scalars'], {
      default: 'steps',
      description:
        'Rows of the export. `steps`: one per step. `batches`: one per micro-batch. `scalars`: one per name, step and rank.',
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
        description: 'Id of the last received event, for clients that cannot send the header `Last-Event-ID`.',
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
    created_at: time('Time of its creation.'),
    updated_at: time('Time of the last recording.'),
    status: Type.Enum(['active', 'idle'], {
      description: '`active` when a batch was recorded in the last five minutes.',
      examples: ['active'],
    }),
    state: Type.Enum([...STATES], {
      description:
        '`running`, `finished` or `failed`: the state that the trainer last reported. A recording more than a minute after a reported end makes the run `running` again. `crashed`: the run was `running`, but nothing was recorded or reported for 30 minutes. Without a reported state, a run is `running` while its `status` is `active`, and `idle` otherwise.',
      examples: ['running'],
    }),
    notes: Notes,
    tags: Tags,
    archived: Archived,
    steps: count('Number of steps, without superseded ones.', 41201),
    batches: count('Number of micro-batches, including those of superseded steps.', 1318432),
    ranks: count('Number of known ranks: the highest rank that reported, plus 1.', 8),
    non_finite_steps: count('Number of steps with a non-finite loss or batch.', 1),
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
  'A summary of a run.',
  'RunSummary',
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
    total: Type.Optional(count('Number of matching runs on all pages. Only the first page has this field.', 120)),
    active: Type.Optional(
      count('Number of matching runs on all pages whose `status` is `active`. Only the first page has this field.', 3),
    ),
    non_finite: Type.Optional(
      count('Number of matching runs on all pages with non-finite steps. Only the first page has this field.', 1),
    ),
  },
  'A page of runs.',
  'RunList',
);

const pointProperties = {
  step: Step,
  attempt: count('Attempt of its batches.', 0),
  loss: numberOrNonFinite(
    'Σ numerators / Σ denominators over ranks and micro-batches, each sum rounded once, so the order has no effect; NaN when nothing is counted.',
    1.93,
  ),
  numerator: numberOrNonFinite('Σ numerators.', 15810.56),
  denominator: numberOrNonFinite('Σ denominators.', 8192),
  complete: Type.Boolean({
    description:
      'True when all `expected_ranks` reported. Without `expected_ranks`: when all known ranks of the run reported.',
    examples: [true],
  }),
  non_finite: Type.Boolean({ description: 'True when the loss, or a batch, is not finite.', examples: [false] }),
  spike: Type.Boolean({ description: 'True when the loss is a spike: see docs/diagnostics.md.', examples: [false] }),
  ranks: count('Ranks that reported.', 8),
  rank_losses: Type.Optional(
    object(
      { min: numberOrNonFinite('The smallest loss.', 1.88), max: numberOrNonFinite('The largest loss.', 1.99) },
      'Finite local losses of ranks; absent when there is none.',
      'RankLosses',
    ),
  ),
  recorded_at: time('Time when its last batch was recorded.'),
  causes: Type.Optional(
    Type.Array(
      Type.Enum([...CAUSES], {
        title: 'CauseName',
        description: 'A cause of `diagnostics.causes`.',
        examples: ['nan_logit'],
      }),
      {
        description: 'Causes of a non-finite step; absent when the step is finite.',
        examples: [['nan_logit']],
      },
    ),
  ),
  summary: Type.Optional(
    Type.String({
      description: 'Summary of the first non-finite batch.',
      examples: ['step 41200, rank 3: NaN in 3 of 4096 rows; first at row 17, class 20011 (not the label)'],
    }),
  ),
};

const StepPoint = object(pointProperties, 'A step.', 'StepPoint');

export const StepList = object(
  { steps: Type.Array(StepPoint, { description: 'Steps in their order.', examples: [[]] }), next },
  'Steps of a run.',
  'StepList',
);

const { verdict, summary, causes } = Diagnostics.properties;

const recordedDiagnostics = (description: string) =>
  object({ ...Type.Partial(Diagnostics).properties, verdict, summary, causes }, description, 'RecordedDiagnostics');

const MicroBatch = object(
  {
    micro_batch: count('Its number within the rank.', 0),
    loss: numberOrNonFinite('numerator / denominator.', 1.93),
    numerator: numberOrNonFinite('Σ m·ℓ.', 1976.32),
    denominator: numberOrNonFinite('D.', 1024),
    device: Type.Optional(
      Type.String({
        description: 'Device that computed the micro-batch, as the trainer named it.',
        examples: ['node-3/cuda:1'],
      }),
    ),
    recorded_at: time('Time of the recording.'),
    diagnostics: recordedDiagnostics(
      `Verdict, summary and causes. When the evaluation has findings: its full diagnostics, with at most ${MOST_KEPT} \`locations\` and ${MOST_KEPT} \`local_losses\`.`,
    ),
  },
  'A micro-batch.',
  'MicroBatch',
);

const RankDetail = object(
  {
    rank: Rank,
    loss: numberOrNonFinite('Local loss of the rank: Σ numerators / Σ denominators over all its micro-batches.', 1.93),
    numerator: numberOrNonFinite('Σ numerators.', 1976.32),
    denominator: numberOrNonFinite('Σ denominators.', 1024),
    micro_batches: Type.Array(MicroBatch, {
      description: 'Micro-batches of the rank on this page, in ascending order.',
      examples: [[]],
    }),
  },
  'A rank.',
  'RankDetail',
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
    normalisation: Type.Optional(Normalisation),
    disagreement: Type.Optional(
      Type.Array(Disagreement, {
        maxItems: 100,
        description:
          'Batches that disagree with each other, or with the declared loss; empty when all agree. Absent when `normalisation` is absent.',
        examples: [[]],
      }),
    ),
    batches: Type.Optional(
      count('Number of micro-batches of the step, on all pages. Only the first page has this field.', 32),
    ),
    rank_details: Type.Array(RankDetail, {
      description:
        'Ranks in their order, with the micro-batches of this page. A rank without micro-batches on this page is left out.',
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
  'A step with its ranks and micro-batches.',
  'StepDetail',
);

const { logits, label, input_mask, weight, segments, bytes, words, options } = CrossEntropyRequest.properties;

/** The body of a recording. */
export const RecordRequest = Type.Object(
  {
    ...Type.Partial(Type.Object({ logits, label, input_mask, weight, segments, bytes, words, options })).properties,
    numerator: Type.Optional(numberOrNonFinite('Σ m·ℓ, from a trainer that computes its own loss.', 1976.32)),
    denominator: Type.Optional(
      numberOrNonFinite('D, the denominator that belongs to `numerator`. Not negative.', 1024),
    ),
    ...besides,
  },
  {
    title: 'RecordRequest',
    additionalProperties: false,
    description:
      'A micro-batch to record, in one of two forms. The fields of `/v1/cross-entropy`: the service evaluates them. Or a pair, `numerator` and `denominator`, from a trainer that computes its own loss. Both forms accept `scalars`, `device` and `declared_loss`.',
    examples: [{ numerator: 1976.32, denominator: 1024 }],
  },
);

/** The answer to a recording: an evaluation; or for a recorded pair the fields that do not need logits. */
export const Recording = Type.Object(
  {
    ...Type.Partial(Evaluation).properties,
    numerator: Evaluation.properties.numerator,
    denominator: Evaluation.properties.denominator,
    diagnostics: recordedDiagnostics(
      'The diagnostics of `/v1/cross-entropy`; for a pair only verdict, summary and causes.',
    ),
    declared: Type.Optional(DeclaredLoss),
  },
  {
    title: 'Recording',
    additionalProperties: false,
    description: 'The evaluation. For a pair of `numerator` and `denominator`: its loss and its verdict.',
  },
);

export type RecordedDiagnostics = Static<ReturnType<typeof recordedDiagnostics>>;
export type RunSummary = Static<typeof RunSummary>;
export type StepList = Static<typeof StepList>;
export type StepPoint = Static<typeof StepPoint>;
export type StepDetail = Static<typeof StepDetail>;
