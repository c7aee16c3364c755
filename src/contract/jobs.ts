import { Type } from '#typebox';
import type { Static, TProperties, TSchema } from '#typebox';
import { ComparisonOptions } from '../comparison/options.ts';
import { Options } from '../loss/options.ts';
import { Evaluation } from './cross-entropy.ts';
import { Comparison } from './kl-divergence.ts';
import { JOB_STATES } from './limits.ts';
import { count } from './tensor.ts';

export const JOB_KINDS = ['cross_entropy', 'kl_divergence'] as const;

/** Fields whose tensors may have other names. */
export const EVALUATION_TENSORS = ['logits', 'label', 'input_mask', 'weight', 'segments', 'bytes', 'words'] as const;
export const COMPARISON_TENSORS = ['logits', 'reference', 'label', 'input_mask', 'segments'] as const;

/** Maximum number of names of a list, and of characters of a name. */
export const MOST_NAMES = 1024;
const MOST_NAME_CHARACTERS = 1024;

/** Maximum number of failed files that a job lists. */
export const MOST_FAILURES = 20;

const object = <P extends TProperties>(properties: P, description: string, title?: string, options: object = {}) =>
  Type.Object(properties, { ...(title && { title }), additionalProperties: false, description, ...options });

const Kind = Type.Enum([...JOB_KINDS], {
  description: '`cross_entropy` evaluates files as one batch, `kl_divergence` compares them with a reference.',
  examples: ['cross_entropy'],
});

const State = Type.Enum([...JOB_STATES], {
  description:
    '`queued` until the first file is begun, then `running`. The last state is `succeeded`, `cancelled`, or `failed`: a file could not be evaluated, or the results of the files could not be combined.',
  examples: ['running'],
});

const Id = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Number of the job. Numbers are not used again.',
  examples: [17],
});

const names = (description: string, example: string) =>
  Type.Array(
    Type.String({
      minLength: 1,
      maxLength: MOST_NAME_CHARACTERS,
      description: 'A file, a folder or a pattern: a path below the data directory, or `s3://bucket/key`.',
      examples: [example],
    }),
    { minItems: 1, maxItems: MOST_NAMES, description, examples: [[example]] },
  );

const tensorName = (field: string) =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: `Name of the tensor for \`${field}\`.`,
      examples: [`my_${field}`],
    }),
  );

const tensors = (fields: readonly string[], title: string) =>
  object(
    Object.fromEntries(fields.map((field) => [field, tensorName(field)])),
    'Names of the tensors in the files, for fields whose tensor has another name.',
    title,
    { examples: [{ label: 'targets' }] },
  );

const FILES =
  'Safetensors files, each evaluated once, in the order of their names (UTF-16 code units). An entry names a file, a folder (its `*.safetensors` files), or a pattern: `*` and `?` match characters of a name, `**` matches folders.';

/** Body of POST /v1/jobs for an evaluation. */
const EvaluationJob = object(
  {
    kind: Type.Literal('cross_entropy', {
      description: 'Evaluates the files as one batch.',
      examples: ['cross_entropy'],
    }),
    files: names(FILES, 'eval/*.safetensors'),
    options: Type.Optional(Options),
    tensors: Type.Optional(tensors(EVALUATION_TENSORS, 'EvaluationTensors')),
  },
  'Evaluates files, like `lossmeter evaluate`. Each option replaces the same option in `__metadata__.options` of the files. The option `outputs` is rejected.',
  'EvaluationJob',
);

/** Body of POST /v1/jobs for a comparison. */
const ComparisonJob = object(
  {
    kind: Type.Literal('kl_divergence', {
      description: 'Compares the files with a reference.',
      examples: ['kl_divergence'],
    }),
    files: names(FILES, 'int4/*.safetensors'),
    reference: Type.Optional(
      names(
        'One safetensors file for each of `files`, in the order of the names, with the tensor `reference` or `logits`. Or one llama.cpp logit file with the rows of all files; its name must not end in `.safetensors`. Default: each file has the tensor `reference`.',
        'bf16/*.safetensors',
      ),
    ),
    options: Type.Optional(ComparisonOptions),
    tensors: Type.Optional(tensors(COMPARISON_TENSORS, 'ComparisonTensors')),
  },
  'Compares files with a reference, like `lossmeter compare`. Each option replaces the same option in `__metadata__.options` of the files. The option `outputs` is rejected.',
  'ComparisonJob',
);

export const JobRequest = Type.Union([EvaluationJob, ComparisonJob], {
  title: 'JobRequest',
  description: 'A job to create.',
  examples: [{ kind: 'cross_entropy', files: ['eval/*.safetensors'], options: { reduction: 'mean' } }],
});

const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-01-31T12:00:00.000Z'] });

const code = Type.String({
  pattern: '^[a-z_]+$',
  description: 'Code of the problem: see docs/errors.md.',
  examples: ['invalid_file'],
});

const detail = Type.String({
  maxLength: 4096,
  description: 'The received value, the expected value, and the place.',
  examples: ['"eval/7.safetensors" is not a valid safetensors file: it is cut off'],
});

const file = Type.String({
  description: 'Path below the data directory, or `s3://bucket/key`.',
  examples: ['eval/7.safetensors'],
});

export const Job = object(
  {
    id: Id,
    kind: Kind,
    state: State,
    kernel: Type.Enum(['relaxed', 'strict'], {
      description: 'Variant of the kernels that evaluate all files of the job.',
      examples: ['relaxed'],
    }),
    options: Type.Record(Type.String(), Type.Unknown(), {
      description: 'Options that the request gave.',
      examples: [{ reduction: 'mean' }],
    }),
    tensors: Type.Record(Type.String(), Type.String(), {
      description: 'Names of tensors that the request gave.',
      examples: [{}],
    }),
    files: object(
      {
        total: count('Files of the job.', 64),
        done: count('Number of files whose evaluation is complete.', 48),
        failed: count('Files that could not be evaluated.', 0),
      },
      'Numbers of files.',
    ),
    bytes: object(
      {
        total: count('Bytes of the files, when the job was created.', 137438953472),
        done: count('Bytes of the files whose evaluation is complete.', 103079215104),
      },
      'Sizes of the files, without those of the reference.',
    ),
    created_at: time('Time of its creation.'),
    started_at: Type.Optional(time('Time at which the evaluation of the first file began.')),
    finished_at: Type.Optional(time('Time of its end.')),
    failures: Type.Optional(
      Type.Array(object({ file, code, detail }, 'A file that could not be evaluated.', 'FailedFile'), {
        maxItems: MOST_FAILURES,
        description: `The first ${MOST_FAILURES} files that failed, in the order of their names. Lists and events do not have this field.`,
        examples: [[]],
      }),
    ),
    error: Type.Optional(
      object({ code, detail }, 'Error that prevented the combination of the results of the files.', 'JobError'),
    ),
  },
  'A job.',
  'Job',
);

export const JobList = object(
  {
    jobs: Type.Array(Job, { maxItems: 200, description: 'Jobs, the newest first.', examples: [[]] }),
    next: Type.Optional(
      Type.String({
        pattern: '^\\d{1,16}$',
        description: '`cursor` of the next page; absent on the last.',
        examples: ['17'],
      }),
    ),
  },
  'A page of jobs.',
  'JobList',
);

export const JobParams = object({ id: Id }, 'A job.');

export const JobsQuery = object(
  {
    state: Type.Optional(
      Type.Enum([...JOB_STATES], { description: 'Only jobs in this state.', examples: ['running'] }),
    ),
    limit: Type.Integer({
      minimum: 1,
      maximum: 200,
      default: 50,
      description: 'Maximum number of jobs.',
      examples: [50],
    }),
    cursor: Type.Optional(
      Type.String({ pattern: '^\\d{1,15}$', description: '`next` of the previous page.', examples: ['17'] }),
    ),
  },
  'A page of jobs.',
);

const omit = (properties: TProperties, ...keys: string[]): TProperties =>
  Object.fromEntries(Object.entries(properties).filter(([key]) => !keys.includes(key)));

const evaluated = omit(Evaluation.properties, 'outputs');
const compared = omit(Comparison.properties, 'outputs');

const result = (kind: TSchema, total: TSchema, files: TSchema, title: string) =>
  object(
    {
      kind,
      total,
      files: Type.Array(files, { description: 'Results of the files, in the order of their names.', examples: [[]] }),
    },
    'The result of a job.',
    title,
  );

const verdict = Type.Enum(['finite', 'non_finite'], {
  description: '`finite` when loss, numerator and z_loss are finite.',
  examples: ['finite'],
});

export const JobResult = Type.Union(
  [
    result(
      Type.Literal('cross_entropy', { description: 'Kind of the job.', examples: ['cross_entropy'] }),
      object(
        { ...omit(evaluated, 'sequences', 'diagnostics', 'kernel'), verdict },
        'Result of all files as one batch.',
        'EvaluationTotal',
      ),
      object({ file, ...evaluated }, 'Result of a file.', 'EvaluatedFile'),
      'EvaluationJobResult',
    ),
    result(
      Type.Literal('kl_divergence', { description: 'Kind of the job.', examples: ['kl_divergence'] }),
      object(omit(compared, 'sequences'), 'Result of the rows of all files together.', 'ComparisonTotal'),
      object(
        {
          file,
          reference: Type.String({ description: 'File of the reference.', examples: ['bf16/7.safetensors'] }),
          ...compared,
        },
        'Result of a file.',
        'ComparedFile',
      ),
      'ComparisonJobResult',
    ),
  ],
  { title: 'JobResult', description: 'The result of a job.' },
);

export type Job = Static<typeof Job>;
export type JobRequest = Static<typeof JobRequest>;
