/** The example of docs/evaluate.md in every format, as files that programs in any language can post. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMPRESSIONS, INFERENCE_WRITERS, WRITERS, compressed, inferenceInput } from '../request-bodies.ts';
import type { Compression, Encoded } from '../request-bodies.ts';
import { readSafetensors } from '../safetensors-file.ts';

const EXAMPLE = new URL('../../examples/char-lm.safetensors', import.meta.url);

/** Loss that docs/evaluate.md shows. */
export const LOSS = 1.331238290743388;

interface Format extends Encoded {
  readonly name: string;
  readonly path: string;
}

/** Names of the formats, in the order of the manifest. */
export const FORMAT_NAMES = [
  ...Object.keys(WRITERS),
  ...Object.keys(COMPRESSIONS).map((compression) => `msgpack, ${compression}`),
  ...Object.keys(INFERENCE_WRITERS).map((writer) => `open inference, ${writer}`),
];

function formats(): Format[] {
  const entries = Object.entries(readSafetensors(readFileSync(EXAMPLE)).tensors);
  // Uint8Array instead of Buffer: JSON.stringify calls toJSON of a Buffer.
  const batch = Object.fromEntries(
    entries.map(([name, tensor]) => [name, { ...tensor, data: new Uint8Array(tensor.data) }]),
  );
  const inputs = Object.entries(batch).map(([name, tensor]) => inferenceInput(name, tensor));
  const path = '/v1/cross-entropy';
  const plain = Object.entries(WRITERS).map(([name, write]) => ({ name, path, ...write(batch) }));
  const msgpack = WRITERS.msgpack(batch);
  const smaller = (Object.keys(COMPRESSIONS) as Compression[]).map((compression) => ({
    ...{ name: `msgpack, ${compression}`, path },
    ...compressed(msgpack, compression),
  }));
  const inference = Object.entries(INFERENCE_WRITERS).map(([name, write]) => ({
    ...{ name: `open inference, ${name}`, path: '/v2/models/cross_entropy/infer' },
    ...write({ inputs }),
  }));
  return [...plain, ...smaller, ...inference];
}

/**
 * Writes the bodies to a folder, and a manifest. Each line of it has the name, path, file and headers of a request,
 * separated by tabs. @returns the path of the manifest
 */
export function writeFormats(folder: string): string {
  const lines = formats().map(({ name, path, headers, body }, k) => {
    const file = join(folder, `body-${k}`);
    writeFileSync(file, body);
    return [name, path, file, ...Object.entries(headers).map(([key, value]) => `${key}: ${value}`)].join('\t');
  });
  const manifest = join(folder, 'manifest.tsv');
  writeFileSync(manifest, `${lines.join('\n')}\n`);
  return manifest;
}
