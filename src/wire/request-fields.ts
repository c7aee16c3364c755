/** Names at the top of requests, in one place: every reader knows the same ones. */

/** The fields of a request that are tensors. */
export const TENSOR_FIELDS = ['logits', 'label', 'input_mask', 'weight'] as const;

/** The fields of a request, whatever its media type. */
export const REQUEST_FIELDS = [...TENSOR_FIELDS, 'options'] as const;
export type RequestField = (typeof REQUEST_FIELDS)[number];

/** Fields of a shard of the vocabulary, of partials, and of a pair that was computed elsewhere. */
const OTHER_FIELDS = ['vocab_start', 'vocab_size', 'partials', 'numerator', 'denominator'] as const;

/** Fields of what is said of a run. Requests with tensors have none of them: `labels` is a misspelt label there. */
const METADATA_FIELDS = ['labels', 'expected_ranks'] as const;

/** The fields of an inference request of the Open Inference Protocol. */
const INFERENCE_FIELDS = ['id', 'inputs', 'outputs', 'parameters', 'model_name', 'model_version'] as const;

/** Fields whose values are read from a JSON text. The value of any other field is checked, and not kept. */
export const READ_FIELDS: ReadonlySet<string> = new Set([...REQUEST_FIELDS, ...OTHER_FIELDS, ...INFERENCE_FIELDS]);

/** The same of a text that is one plain value. */
export const VALUE_FIELDS: ReadonlySet<string> = new Set([...READ_FIELDS, ...METADATA_FIELDS]);

export const INPUT_KEYS: readonly string[] = ['name', 'shape', 'datatype', 'parameters', 'data'];
