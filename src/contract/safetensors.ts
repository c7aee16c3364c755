import { bytesBody } from './content.ts';

const FIELDS =
  'the tensors `logits`, `label` and, optionally, `input_mask` and `weight` (for `/v1/cross-entropy` and recordings also `segments`, `bytes` and `words`), with `options` as JSON text in `__metadata__.options`. Logits are streamed when they are the last tensor of the file. Otherwise they are buffered in bounded memory: the safetensors library sorts tensors by width, then by name, and so puts narrower labels and masks after the logits.';

/** A batch as a file. */
export const SafetensorsBatch = bytesBody('SafetensorsBatch', `A safetensors file with ${FIELDS}`);

/** A shard as a file. */
export const SafetensorsShard = bytesBody(
  'SafetensorsShard',
  `A safetensors file with ${FIELDS} \`vocab_start\` and \`vocab_size\` are JSON numbers in \`__metadata__\`, by their names.`,
);

/** An evaluation as a file. */
export const SafetensorsEvaluation = bytesBody(
  'SafetensorsEvaluation',
  'A safetensors file with the tensors of `outputs` by their names, and everything else of the answer as JSON text in `__metadata__.evaluation`.',
);

/** A partial as a file. */
export const SafetensorsPartial = bytesBody(
  'SafetensorsPartial',
  'A safetensors file with the tensors of the partial by their names, those of `columns` as `columns/…`, and everything else as JSON text in `__metadata__.evaluation`. `/v1/cross-entropy/combine` does not accept this format: use JSON or MessagePack.',
);

/** Two sets of logits as a file. */
export const SafetensorsPair = bytesBody(
  'SafetensorsPair',
  'A safetensors file with the tensors `logits`, `reference` (or `reference.indices` and `reference.logprobs`) and, optionally, `label`, `input_mask` and `segments`, with `options` as JSON text in `__metadata__.options`. The last tensor of the file is streamed when it is `logits` or `reference`; the other one is buffered in bounded memory.',
);

/** A comparison as a file. */
export const SafetensorsComparison = bytesBody(
  'SafetensorsComparison',
  'A safetensors file with the tensors of `outputs` by their names, and everything else of the answer as JSON text in `__metadata__.evaluation`.',
);

/** Log-probabilities as a file. */
export const SafetensorsLogprobs = bytesBody(
  'SafetensorsLogprobs',
  'A safetensors file with the tensors `old`, `new` and, optionally, `input_mask` and `segments`, in any order.',
);

/** A comparison of log-probabilities as a file. */
export const SafetensorsLogprobComparison = bytesBody(
  'SafetensorsLogprobComparison',
  'A safetensors file without tensors, and the answer as JSON text in `__metadata__.evaluation`.',
);
