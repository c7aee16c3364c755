import { Type } from '#typebox';
import type { Static } from '#typebox';

/** Version of the file format. It is raised when readers of the previous version cannot read the files. */
export const FORMAT = 1;

/** Commands by the kinds of partials that they write. */
export const COMMANDS = {
  evaluation_shard: 'lossmeter evaluate',
  comparison_shard: 'lossmeter compare',
} as const;

export type PartialKind = keyof typeof COMMANDS;

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Digest = Type.Object({ files: count, bytes: count, sha256: hash }, { additionalProperties: false });

/** Facts about a shard, which come before its results. */
export const PartialHead = Type.Object(
  {
    kind: Type.Enum(Object.keys(COMMANDS) as PartialKind[]),
    format: Type.Literal(FORMAT),
    /** Version of Lossmeter. */
    lossmeter: Type.String(),
    shard: Type.Object({ index: count, of: count }, { additionalProperties: false }),
    /** Options and names of tensors of the command line. */
    options: Type.Record(Type.String(), Type.Unknown()),
    tensors: Type.Record(Type.String(), Type.String()),
    /** All files of all shards. */
    list: Digest,
    /** References of a comparison; absent when the files contain them. */
    references: Type.Optional(Digest),
    /** Numbers of rows of the chunks of the reference, when it is a llama.cpp logit file. */
    chunks: Type.Optional(Type.Array(count)),
  },
  { additionalProperties: false },
);

export type PartialHead = Static<typeof PartialHead>;

/** Results of a file, under its place in the list. */
export type PartialEntry = { place: number } & Record<string, unknown>;

/** End of the first line, and beginning of the last line. Between them each file has one line with its results. */
export const BEGIN = ',"files":[';
export const END = '],"sha256":"';
