import type { FloatDType } from '../tensor/dtype.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { ReadRequest } from '../wire/request.ts';
import type { TensorName } from '../wire/request-fields.ts';
import { tensorFromValue } from '../wire/tensors/tensor-value.ts';

/** Tensors of a batch. */
export const BATCH_TENSORS = ['logits', 'label', 'input_mask', 'weight'] as const satisfies readonly TensorName[];

/** Tensors of the sequences of a batch and their texts. */
const SEQUENCE_TENSORS = ['segments', 'bytes', 'words'] as const satisfies readonly TensorName[];

/** Tensors of a batch whose loss is computed. */
export const LOSS_TENSORS = [...BATCH_TENSORS, ...SEQUENCE_TENSORS] as const;

/** Batch without the bytes of its logits. */
export interface BatchHeader {
  readonly logits: {
    readonly dtype: FloatDType;
    readonly shape: Shape;
    /** File tensor with their bytes, if they are not in the request. */
    readonly source?: FileTensor;
  };
  /** Undefined only if the batch may omit it. */
  readonly label: Tensor | undefined;
  readonly inputMask: Tensor | undefined;
  readonly weight: Tensor | undefined;
  /** Lengths of the sequences. */
  readonly segments?: Tensor | undefined;
  /** Sizes of the texts of the sequences. */
  readonly bytes?: Tensor | undefined;
  readonly words?: Tensor | undefined;
  /** Options as received, not checked yet. */
  readonly options: unknown;
  /** Number of entries of the logits and of the label that were sent as null, which means NaN. */
  readonly nulls: number;
  /** True if the logits were sent as an array of msgpack-numpy. Outputs then have the same form. */
  readonly numpyArrays: boolean;
}

/**
 * Makes the header of a batch. A field that is null is absent.
 * @throws LossmeterError invalid_tensor, unknown_field
 */
export function makeHeader({ streamed, fields }: ReadRequest): BatchHeader {
  const tensor = (field: TensorName): Tensor | undefined => {
    const value = fields[field] ?? undefined;
    return value === undefined ? undefined : tensorFromValue(field, value);
  };
  const label = tensor('label');
  const { dtype, shape, source, nulls = 0, isNumpy = false } = streamed;
  return {
    logits: { dtype: dtype as FloatDType, shape, ...(source && { source }) },
    label,
    inputMask: tensor('input_mask'),
    weight: tensor('weight'),
    segments: tensor('segments'),
    bytes: tensor('bytes'),
    words: tensor('words'),
    options: fields['options'],
    nulls: nulls + (label?.nulls ?? 0),
    numpyArrays: isNumpy,
  };
}
