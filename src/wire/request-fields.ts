/** Names at the top of requests, in one place: every reader knows the same ones. */

/** The fields of a request that are tensors. */
export const TENSOR_FIELDS = ['logits', 'label', 'input_mask', 'weight'] as const;

/** The fields of a request, whatever its media type. */
export const REQUEST_FIELDS = [...TENSOR_FIELDS, 'options'] as const;
export type RequestField = (typeof REQUEST_FIELDS)[number];

/** Fields of a shard of the vocabulary, of partials, of a pair that was computed elsewhere, and of what is said of a run. */
const OTHER_FIELDS = [
  ...(['vocab_start', 'vocab_size', 'partials'] as const),
  ...(['numerator', 'denominator'] as const),
  ...(['labels', 'expected_ranks'] as const),
] as const;

/** The fields of an inference request of the Open Inference Protocol. */
const INFERENCE_FIELDS = ['id', 'inputs', 'outputs', 'parameters', 'model_name', 'model_version'] as const;

/** Fields whose values are read from a JSON text. The value of any other field is checked, and not kept. */
export const READ_FIELDS: ReadonlySet<string> = new Set([...REQUEST_FIELDS, ...OTHER_FIELDS, ...INFERENCE_FIELDS]);
