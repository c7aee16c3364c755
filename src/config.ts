import { availableParallelism } from 'node:os';
import { Type } from '#typebox';
import type { Static } from '#typebox';

const GiB = 2 ** 30;
const MiB = 2 ** 20;

/**
 * Configuration. `maxBodyBytes` is read from the environment variable LOSSMETER_MAX_BODY_BYTES, and so on; MLflow's
 * properties are read from MLflow's variables. The table of docs/configuration.md is generated from this schema.
 */
export const Config = Type.Object({
  host: Type.String({
    default: '127.0.0.1',
    minLength: 1,
    description: 'Address to listen on. With a host name, the service listens on all its addresses.',
  }),
  port: Type.Integer({
    default: 8080,
    minimum: 0,
    maximum: 65535,
    description: 'Port to listen on; 0 selects a free port.',
  }),
  socket: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Path of a Unix domain socket to listen on, in place of host and port. Access follows the permissions of its folder and the umask.',
    }),
  ),
  workers: Type.Integer({
    default: availableParallelism(),
    minimum: 1,
    maximum: 1024,
    description: 'Kernel worker threads. The default is the number of available cores.',
  }),
  kernel: Type.Enum(['auto', 'relaxed', 'strict'], {
    default: 'auto',
    description:
      'Kernel variant. `relaxed` fuses multiply-adds and is the fastest; `strict` gives the same bits on every machine; `auto` selects `relaxed` where the machine supports it.',
  }),
  slabBytes: Type.Integer({
    default: 2 * MiB,
    minimum: 8,
    maximum: GiB,
    description:
      'Bytes of logits that are sent to a worker at a time, in whole rows: a slab. The default is about the size of a core’s cache.',
  }),
  inlineLogits: Type.Integer({
    default: 65536,
    minimum: 0,
    maximum: 2 ** 24,
    description: 'Largest batch, as a number of logits, that is evaluated on the main thread and not by a worker.',
  }),
  maxRowBytes: Type.Integer({
    default: 64 * MiB,
    minimum: 8,
    maximum: GiB,
    description:
      'Maximum size of a row of logits, in bytes. A row is evaluated in one piece, so each worker may hold a whole row in memory.',
  }),
  maxBodyBytes: Type.Integer({
    default: 16 * GiB,
    minimum: 1024,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'Maximum length of a request body, in bytes, both as received and as decompressed. Streamed logits are not buffered, so this limits time, not memory.',
  }),
  maxJsonBytes: Type.Integer({
    default: 64 * MiB,
    minimum: 1024,
    maximum: 512 * MiB - 1,
    description: 'Maximum length of a JSON body, in bytes. JSON is not streamed.',
  }),
  maxBytesInFlight: Type.Integer({
    default: GiB,
    minimum: MiB,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'Maximum memory of all requests together, in bytes. Up to a quarter holds slabs of logits; the rest holds buffered fields, results and answers.',
  }),
  maxRequestsInFlight: Type.Integer({
    default: 64,
    minimum: 1,
    maximum: 65536,
    description:
      'Maximum number of concurrent evaluations. An evaluation does not count while the service waits for its client and the client sends less than 40 KiB/s.',
  }),
  maxQueuedRequests: Type.Integer({
    default: 256,
    minimum: 0,
    maximum: 65536,
    description: 'Maximum number of evaluations that wait to begin; further ones are refused with 429.',
  }),
  maxHistoryReads: Type.Integer({
    default: 16,
    minimum: 1,
    maximum: 65536,
    description: 'Maximum number of concurrent reads of the history. A read counts until its first page is read.',
  }),
  maxQueuedHistoryReads: Type.Integer({
    default: 64,
    minimum: 0,
    maximum: 65536,
    description: 'Maximum number of reads of the history that wait to begin; further ones are refused with 429.',
  }),
  maxEventStreams: Type.Integer({
    default: 256,
    minimum: 0,
    maximum: 65536,
    description: 'Maximum number of open event streams, of runs and jobs together; further ones are refused with 429.',
  }),
  maxEventStreamsPerClient: Type.Integer({
    default: 64,
    minimum: 0,
    maximum: 65536,
    description:
      'Maximum number of open event streams of one key, or of one address when no key is needed; further ones are refused with 429.',
  }),
  maxJobFiles: Type.Integer({
    default: 10_000,
    minimum: 1,
    maximum: 1_000_000,
    description: 'Maximum number of files of a job.',
  }),
  maxJobTasks: Type.Integer({
    default: 100_000,
    minimum: 1,
    maximum: 100_000_000,
    description: 'Maximum number of pending files over all jobs; a job that would exceed it is refused with 429.',
  }),
  maxJobs: Type.Integer({
    default: 1000,
    minimum: 1,
    maximum: 1_000_000,
    description:
      'Maximum number of jobs kept with their results. A new job replaces the oldest job that has ended. It is refused with 429 when no job has ended.',
  }),
  maxConnections: Type.Integer({
    default: 8192,
    minimum: 3,
    maximum: 65536,
    description:
      'Maximum number of open connections; further ones are closed at once. One sixteenth of the connections, at least 2 and at most 64, is reserved for probes.',
  }),
  maxIdleConnectionsPerAddress: Type.Integer({
    default: 4096,
    minimum: 1,
    maximum: 65536,
    description:
      'Maximum number of idle connections of one address. Beyond it, the connection that is idle longest is closed.',
  }),
  maxHeaderBytes: Type.Integer({
    default: 16384,
    minimum: 1024,
    maximum: MiB,
    description: 'Maximum length of the head of a request, in bytes: its request line and header fields.',
  }),
  maxJsonDepth: Type.Integer({
    default: 64,
    minimum: 4,
    maximum: 1024,
    description: 'Maximum nesting depth of arrays and objects in a JSON body.',
  }),
  maxElements: Type.Integer({
    default: 2 ** 33,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'Maximum number of elements of logits. Other tensors are buffered, and limited by the memory of requests.',
  }),
  maxDecompressionRatio: Type.Integer({
    default: 200,
    minimum: 1,
    maximum: 1_000_000,
    description:
      'Maximum number of bytes that one byte of a compressed body may decompress to. The first 16 MiB are exempt.',
  }),
  maxRequestsPerMinute: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description:
        'Maximum number of requests per minute of a key, or of an address when no key is needed. Probes do not count.',
    }),
  ),
  minBytesPerSecond: Type.Integer({
    default: 1024,
    minimum: 0,
    maximum: GiB,
    description:
      'Minimum rate of a client, in bytes per second over `LOSSMETER_STALL_SECONDS`. A client that sends or receives more slowly while the service waits for it is cut off. The total duration of a request is not limited. While other requests wait for memory, a client must send at least 40 KiB/s, measured over 2 s.',
  }),
  stallSeconds: Type.Integer({
    default: 10,
    minimum: 1,
    maximum: 3600,
    description:
      'Seconds over which the rate of a client is measured. The head of a request must arrive within this time.',
  }),
  drainSeconds: Type.Integer({
    default: 30,
    minimum: 0,
    maximum: 3600,
    description: 'Seconds that pending requests have to finish after SIGTERM; then they are cut off.',
  }),
  apiKeysFile: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'File of API keys, made by `lossmeter keys create` and reread when it changes. With this file, every request needs a key, except probes, the page of the dashboard, and the paths that `LOSSMETER_DOCS` and `LOSSMETER_METRICS` open.',
    }),
  ),
  allowAnonymous: Type.Boolean({
    default: false,
    description:
      'Allow serving without keys on an address that other machines can reach. Without this flag, the service does not start on such an address.',
  }),
  docs: Type.Enum(['open', 'keyed', 'off'], {
    default: 'open',
    description:
      'Access to `/docs`, `/docs/guide` and `/openapi.json`: `open` to everybody; `keyed` for requests with a key of the scope `read`: a browser cannot open the pages then, because it sends no key; `off` answers 404. Without keys, `keyed` is `open`.',
  }),
  metrics: Type.Enum(['open', 'keyed', 'off'], {
    default: 'keyed',
    description:
      'Access to `/metrics`: `open` to everybody; `keyed` for keys with the scope `read`; `off` answers 404 and counts nothing. Without keys, `keyed` is `open`.',
  }),
  allowedHosts: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Host names by which clients may call the service, separated by commas, in addition to `localhost` and loopback addresses. Checked only when the service listens on loopback without keys.',
    }),
  ),
  corsOrigins: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Origins of web pages that may call the service, separated by commas, such as `https://dash.example.org`; `*` is any.',
    }),
  ),
  store: Type.String({
    default: './lossmeter.db',
    minLength: 1,
    description:
      'Store of the history of runs: a SQLite file, created when missing; `:memory:`, which lasts until the service ends; or a PostgreSQL database, which replicas share: `postgres://user:password@host/database?sslmode=verify-full`.',
  }),
  storeConnections: Type.Integer({
    default: 8,
    minimum: 2,
    maximum: 1000,
    description:
      'Maximum number of connections to PostgreSQL for the history. In addition, one connection receives the changes of other replicas. With a data directory or S3 buckets, four further connections serve jobs.',
  }),
  retentionDays: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 36_500,
      description: 'Days without a recording after which a run is deleted.',
    }),
  ),
  retentionBytes: Type.Optional(
    Type.Integer({
      minimum: MiB,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'Size of the history, in bytes, above which runs are deleted, beginning with the run whose last recording is the oldest. Runs recorded in the last hour are kept.',
    }),
  ),
  maxRunsPerKey: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description:
        'Maximum number of runs that a key may have created; further ones are refused with 403 `quota_exceeded` until one is deleted.',
    }),
  ),
  webhookUrl: Type.Optional(
    Type.String({
      pattern: '^https?://',
      examples: ['https://hooks.example.org/lossmeter'],
      description:
        'URL to which non-finite steps and spikes are posted. The messages are signed with `LOSSMETER_WEBHOOK_SECRET`, as Standard Webhooks defines.',
    }),
  ),
  webhookSecret: Type.Optional(
    Type.String({
      minLength: 16,
      description: 'Secret that signs webhooks: a text of at least 16 characters, or `whsec_` and base64.',
    }),
  ),
  mlflowTrackingUri: Type.Optional(
    Type.String({
      pattern: '^https?://',
      examples: ['https://mlflow.example.org'],
      description:
        'MLflow tracking server to which complete steps are logged: `loss`, `nan_count` and `inf_count`. May hold a user and a password: `https://user:password@mlflow.example.org`.',
    }),
  ),
  mlflowTrackingToken: Type.Optional(
    Type.String({ minLength: 1, description: 'Access token for the MLflow tracking server.' }),
  ),
  mlflowExperimentName: Type.String({
    default: 'lossmeter',
    minLength: 1,
    description: 'MLflow experiment to which runs are logged, created when missing.',
  }),
  workerTasks: Type.Integer({
    default: 2,
    minimum: 1,
    maximum: 256,
    description:
      'Number of files that `lossmeter worker` evaluates at a time. All kernel threads work on each file; while one file is opened or stored, they work on the others.',
  }),
  dataDir: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Folder of safetensors files that requests may name in place of a tensor: `{"file": "step-100.safetensors", "tensor": "logits"}`. Nothing outside of this folder is read.',
    }),
  ),
  s3Buckets: Type.Optional(
    Type.String({
      pattern: '^ *[A-Za-z0-9._-]+ *(, *[A-Za-z0-9._-]+ *)*$',
      examples: ['logits, checkpoints'],
      description:
        'Buckets of S3 or of a compatible storage, separated by commas, whose objects requests may name as files: `s3://bucket/step-100.safetensors`. Endpoint, region and credentials come from AWS’s own variables, such as `AWS_ENDPOINT_URL_S3`, `AWS_REGION` and `AWS_ACCESS_KEY_ID`.',
    }),
  ),
  s3PathStyle: Type.Boolean({
    default: false,
    description:
      'Put the bucket into the path of URLs, instead of the host name: `https://s3.example.org/bucket/key`. Most servers other than AWS need it.',
  }),
  logLevel: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description:
      'Lowest level that is logged: `fatal`, `error`, `warn`, `info`, `debug`, `trace`, or `silent` for none.',
  }),
});

export type Config = Static<typeof Config>;

export type ConfigKey = keyof Config;

export const CONFIG_KEYS = Object.keys(Config.properties) as readonly ConfigKey[];

/** Limits that clients can reach. /v1/info reports them under their names in snake_case. */
export const LIMITS = [
  'maxRowBytes',
  'maxElements',
  'maxBodyBytes',
  'maxJsonBytes',
  'maxJsonDepth',
  'maxDecompressionRatio',
  'maxHeaderBytes',
  'maxBytesInFlight',
  'maxRequestsInFlight',
  'maxQueuedRequests',
  'maxHistoryReads',
  'maxQueuedHistoryReads',
  'maxEventStreams',
  'maxEventStreamsPerClient',
  'maxJobFiles',
  'maxJobTasks',
  'maxJobs',
  'maxConnections',
  'maxIdleConnectionsPerAddress',
  'maxRequestsPerMinute',
  'maxRunsPerKey',
  'minBytesPerSecond',
  'stallSeconds',
] as const satisfies readonly ConfigKey[];

/** maxBodyBytes → max_body_bytes */
export function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
