import { Type } from '#typebox';
import type { TSchema } from '#typebox';
import { DTYPES, FLOAT_DTYPES } from '../tensor/dtype.ts';
import { MAX_RANK } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

export const Shape = Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), {
  title: 'Shape',
  maxItems: MAX_RANK,
  description:
    'Sizes of the axes, outermost first. Their product times the width of the dtype must be the length of `data`.',
  examples: [[2, 3]],
});

export const nonFinite = (description: string) =>
  Type.Enum(['NaN', 'Infinity', '-Infinity'], { title: 'NonFinite', description, examples: ['NaN'] });

const NonFinite = nonFinite('A number that JSON cannot represent, as in Protocol Buffers’ JSON mapping.');

const ANY_NUMBER = Type.Number({ minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE });

/**
 * A number of an answer, which the encoders write. JSON cannot represent NaN and the infinities, so they are text there;
 * MessagePack can.
 */
export const numberOrNonFinite = (description: string, example: number) =>
  Type.Unsafe<number>(
    Type.Union([ANY_NUMBER, NonFinite], { title: 'NumberOrNonFinite', description, examples: [example] }),
  );

/** The same, or null when nothing is counted. */
export const numberOrNull = (description: string, example: number) =>
  Type.Unsafe<number | null>(
    Type.Union([ANY_NUMBER, NonFinite, Type.Null()], { title: 'NumberOrNull', description, examples: [example] }),
  );

const dtypes = { description: 'Type of the elements.', examples: ['float32'] };
const AnyDType = Type.Enum([...DTYPES], { title: 'DType', ...dtypes });
export const FloatDType = Type.Enum([...FLOAT_DTYPES], { title: 'FloatDType', ...dtypes });

/** Kind of the elements of a tensor. */
type TensorKind = 'Float' | 'Any';

const ofKind = (kind: TensorKind) => (kind === 'Float' ? FloatDType : AnyDType);

function bytesTensor(kind: TensorKind) {
  return Type.Object(
    {
      dtype: ofKind(kind),
      shape: Shape,
      data: Type.String({
        contentEncoding: 'base64',
        description:
          'The elements, little-endian and row-major: base64 in JSON (white space is ignored), bin in MessagePack.',
        examples: ['AACAPwAAAEAAAEBAAAAAAAAAgD8AAAAA'],
      }),
    },
    {
      title: `${kind}TensorBytes`,
      additionalProperties: false,
      description: 'A tensor as bytes. In MessagePack, an array of msgpack-numpy is accepted too.',
    },
  );
}

function arrayTensor(kind: TensorKind) {
  return Type.Object(
    {
      dtype: Type.Optional(ofKind(kind)),
      shape: Type.Optional(Shape),
      data: Type.Array(Type.Unknown(), {
        description: 'The entries, as a flat or nested array.',
        examples: [[1, 2, 3, 0, 1, 0]],
      }),
    },
    {
      title: `${kind}TensorArray`,
      additionalProperties: false,
      description:
        'A tensor as an array. The default dtype depends on the field. It is int64 for whole numbers in `label`, `segments` and `indices`; float64 for `old`, `new`, `logprobs`, `bytes` and `words`; and float32 otherwise. Whole numbers without a dtype in a label that is shaped like the logits are class probabilities. The default shape is the shape of the nested array. `null` in floating-point logits and labels is NaN.',
    },
  );
}

const FileTensor = Type.Object(
  {
    file: Type.String({
      minLength: 1,
      description:
        'Path of a safetensors file below `LOSSMETER_DATA_DIR`, or `s3://bucket/key` for an object of a bucket of `LOSSMETER_S3_BUCKETS`.',
      examples: ['step-100.safetensors'],
    }),
    tensor: Type.String({ description: 'Name of the tensor in the file.', examples: ['logits'] }),
  },
  {
    title: 'TensorFile',
    additionalProperties: false,
    description:
      'A tensor of a file that the service reads itself. Only the bytes of the named tensor are read. Requires a data directory, or buckets of object storage.',
  },
);

/** Entries of a tensor as plain arrays. */
const NESTED_ARRAYS = [
  Type.Array(numberOrNonFinite('An entry.', 0.5), { description: 'The numbers of one axis.' }),
  Type.Array(Type.Unknown(), { description: 'Entries, or arrays of them as deep as there are axes.' }),
];

const NestedArray = Type.Union(NESTED_ARRAYS, { title: 'NestedArray', description: 'A nested array of entries.' });

/** A nested array, or another form of a single entry. */
export const nestedArrayOr = (title: string, others: TSchema[]) =>
  Type.Union([...NESTED_ARRAYS, ...others], { title, description: 'A nested array of entries, or a single entry.' });

const formsOf = (kind: TensorKind) => [bytesTensor(kind), arrayTensor(kind), FileTensor];

const FORMS = { Float: formsOf('Float'), Any: formsOf('Any') };

interface RequestTensor {
  readonly title: string;
  readonly kind: TensorKind;
  readonly description: string;
  readonly examples: unknown[];
  readonly entries?: TSchema;
  /** Other forms that it may have. */
  readonly others?: readonly TSchema[];
}

/** A tensor of a request. */
export const requestTensor = ({ kind, entries = NestedArray, others = [], ...annotations }: RequestTensor) =>
  Type.Union([...FORMS[kind], ...others, entries], annotations);

export const IntegerDTypes = DTYPES.filter((dtype) => !(FLOAT_DTYPES as readonly string[]).includes(dtype));

/** A tensor of an answer, which the encoders write. */
export const ReplyTensor = Type.Unsafe<Tensor>(
  Type.Object(
    {
      dtype: AnyDType,
      shape: Shape,
      data: Type.Array(numberOrNonFinite('An element.', 0.40760596), {
        description: 'The elements, row-major: a flat array in JSON, bin of little-endian elements in MessagePack.',
        examples: [[0.40760596, 0]],
      }),
    },
    {
      title: 'Tensor',
      additionalProperties: false,
      description:
        'A tensor. If a MessagePack request sends the logits as an array of msgpack-numpy, a MessagePack answer has such arrays too. Such an array holds bfloat16 as its bits, because NumPy lacks this dtype.',
    },
  ),
);

/** A non-negative integer. */
export const count = (description: string, example: number) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description, examples: [example] });
