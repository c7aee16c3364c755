import { bytesBody } from './content.ts';

const FIELDS =
  'the tensors `logits`, `label` and, optionally, `input_mask` and `weight` (for `/v1/cross-entropy` and recordings also `segments`, `bytes` and `words`), with `options` as JSON text in `__metadata__.options`. Logits are streamed when they are the last tensor of the file. Otherwise they are buffered in bounded memory: the safetensors library writes wide dtypes first, and floats before integers of the same width. So narrower labels and masks, and int32 labels of float32 logits, come after the logits.';

/** A batch as a file. */
export const SafetensorsBatch = bytesBody('SafetensorsBatch', `A safetensors file with ${FIELDS}`);

/** A shard as a file. */
export const SafetensorsShard = bytesBody(
  'SafetensorsShard',
  `A safetensors file with ${FIELDS} \`__metadata__.vocab_start\` and \`__metadata__.vocab_size\` are numbers as JSON text.`,
);

/** An evaluation as a file. */
export const SafetensorsEvaluation = bytesBody(
  'SafetensorsEvaluation',
  'A safetensors file with the tensors of `outputs` by their names, and everything else of the answer as JSON text in `__metadata__.evaluation`.',
);

/** A partial as a file. */
export const SafetensorsPartial = bytesBody(
  'SafetensorsPartial',
  'A safetensors file. Tensors of the partial have their own names; the tensors in `columns` have the prefix `columns/`. Everything else is JSON text in `__metadata__.evaluation`. `/v1/cross-entropy/combine` does not accept this format: use JSON or MessagePack.',
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
