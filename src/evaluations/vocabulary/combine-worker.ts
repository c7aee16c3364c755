import { move, transferableSymbol, valueSymbol } from 'piscina';
import { runAtOnce } from '../../steps.ts';
import { replyTo } from '../../threads.ts';
import { codecFor, requireValues } from '../../wire/media-types.ts';
import { COMBINE_FIELDS, combine } from './combine.ts';

/** The body of a request to combine partials. Its buffer is moved to the thread. */
export interface CombineTask {
  body: Uint8Array;
  mediaType: string;
  maxDepth: number;
}

export default function combineBody({ body, mediaType, maxDepth }: CombineTask): unknown {
  const transfer: ArrayBuffer[] = [];
  const reply = replyTo(() => {
    const { values } = requireValues(codecFor(mediaType)!);
    const evaluation = runAtOnce(combine(values.parse(body, maxDepth, COMBINE_FIELDS)));
    for (const { data } of Object.values(evaluation.outputs)) transfer.push(data.buffer as ArrayBuffer);
    return evaluation;
  });
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}
