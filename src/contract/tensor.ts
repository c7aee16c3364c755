import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { DTYPES, FLOAT_DTYPES } from '../tensor/dtype.ts';
import { MAX_RANK } from '../tensor/shape.ts';

const Shape = Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), {
  maxItems: MAX_RANK,
  description:
    'Sizes of the axes, outermost first. Their product times the width of the dtype must be the length of `data`.',
  examples: [[2, 3]],
});

const NonFiniteNumber = Type.Enum(['NaN', 'Infinity', '-Infinity'], {
  description: 'A number that JSON cannot represent, as in Protocol Buffers’ JSON mapping.',
  examples: ['NaN'],
});

/** A number of an answer. JSON cannot represent NaN and the infinities, so they are text there; MessagePack can. */
export function numberOrNonFinite(description: string, example: number) {
  return Type.Union([Type.Number({ minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE }), NonFiniteNumber], {
    description,
    examples: [example],
  });
}

const dtypeOf = (dtypes: readonly string[]) =>
  Type.Enum([...dtypes], { description: 'Type of the elements.', examples: [dtypes[0]] });

function bytesTensor(dtypes: readonly string[]) {
  return Type.Object(
    {
      dtype: dtypeOf(dtypes),
      shape: Shape,
      data: Type.String({
        contentEncoding: 'base64',
        description:
          'The elements, little-endian and row-major: base64 in JSON, in which white space does not matter, bin in MessagePack.',
        examples: ['AACAPwAAAEAAAEBAAAAAAAAAgD8AAAAA'],
      }),
    },
    {
      additionalProperties: false,
      description: 'A tensor as bytes. In MessagePack it can also be an array of msgpack-numpy.',
    },
  );
}

function arrayTensor(dtypes: readonly string[]) {
  return Type.Object(
    {
      dtype: Type.Optional(dtypeOf(dtypes)),
      shape: Type.Optional(Shape),
      data: Type.Array(Type.Unknown(), {
        description: 'The entries, as a flat or nested array.',
        examples: [[1, 2, 3, 0, 1, 0]],
      }),
    },
    {
      additionalProperties: false,
      description:
        'A tensor as an array. Without a dtype it is float32; a label of whole numbers is int64, unless it is shaped like the logits. Without a shape it has the shape of the nested array. `null` in floating-point logits and labels is NaN.',
    },
  );
}

const FileTensor = Type.Object(
  {
    file: Type.String({
      minLength: 1,
      description: 'Path of a safetensors file below `LOSSMETER_DATA_DIR`.',
      examples: ['step-100.safetensors'],
    }),
    tensor: Type.String({ description: 'Name of the tensor in it.', examples: ['logits'] }),
  },
  {
    additionalProperties: false,
    description:
      'A tensor of a file that the service reads itself: workers read logits by position, so their bytes pass through no socket. Available only with a data directory.',
  },
);

/**
 * A tensor of a request.
 * @param others further forms that it can have
 */
export function requestTensor(
  dtypes: readonly string[],
  description: string,
  examples: unknown[],
  others: TSchema[] = [],
) {
  return Type.Union(
    [
      bytesTensor(dtypes),
      arrayTensor(dtypes),
      FileTensor,
      Type.Array(Type.Unknown(), { description: 'A nested array of entries.' }),
      ...others,
    ],
    { description, examples },
  );
}

export const AnyDTypes = DTYPES;
export const FloatDTypes = FLOAT_DTYPES;
export const IntegerDTypes = DTYPES.filter((dtype) => !(FLOAT_DTYPES as readonly string[]).includes(dtype));

/** A tensor of an answer. */
export const ReplyTensor = Type.Object(
  {
    dtype: Type.Enum([...DTYPES], { description: 'Type of the elements.', examples: ['float64'] }),
    shape: Shape,
    data: Type.Array(numberOrNonFinite('An element.', 0.40760596), {
      description: 'The elements, row-major: a flat array in JSON, bin of little-endian elements in MessagePack.',
      examples: [[0.40760596, 0]],
    }),
  },
  {
    additionalProperties: false,
    description:
      'A tensor; in MessagePack an array of msgpack-numpy, when the logits were one. NumPy has no bfloat16, so its bits are returned.',
  },
);

/** A non-negative integer. */
export const count = (description: string, example: number) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description, examples: [example] });
