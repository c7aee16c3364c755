import { containsTensor, isTensor } from '../../tensor/tensor.ts';
import { elements, joinTexts, stringify } from '../json-text/stringify.ts';
import type { ReplyParts } from '../reply.ts';

/**
 * Encodes an answer as JSON text, in parts. The data of a tensor becomes a flat array. Non-finite numbers become the strings
 * "NaN", "Infinity" and "-Infinity", as in Protocol Buffers' JSON mapping.
 */
export function encodeJson(value: object): ReplyParts {
  return containsTensor(value) ? joinTexts(pieces(value)) : [stringify(value)];
}

function* pieces(value: unknown): Generator<string> {
  if (!containsTensor(value)) {
    yield stringify(value);
    return;
  }
  if (isTensor(value)) {
    yield `{"dtype":${JSON.stringify(value.dtype)},"shape":${JSON.stringify(value.shape)},"data":[`;
    yield* elements(value);
    yield ']}';
    return;
  }
  const entries = Object.entries(value as object).filter(([, inner]) => inner !== undefined);
  yield '{';
  for (const [index, [key, inner]] of entries.entries()) {
    yield `${index === 0 ? '' : ','}${JSON.stringify(key)}:`;
    yield* pieces(inner);
  }
  yield '}';
}
