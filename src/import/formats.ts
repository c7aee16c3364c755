import { csv } from './csv.ts';
import type { Format } from './format.ts';
import { megatron } from './megatron.ts';
import { mindformers } from './mindformers.ts';
import { ndjson } from './ndjson.ts';
import { tensorboard } from './tensorboard/tensorboard.ts';

/** Formats in the order in which they are tried. */
export const FORMATS: readonly Format[] = [tensorboard, megatron, mindformers, ndjson, csv];

export const FORMAT_NAMES = FORMATS.map(({ name }) => name);

/** Format of a file; undefined when none recognises it. */
export function recognise(name: string, head: Buffer): Format | undefined {
  return FORMATS.find((format) => format.recognises(name, head));
}
