/** Requests of the corpus with mistakes. */
import fc from 'fast-check';
import { COMPRESSIONS } from '../request-bodies.ts';
import type { HttpRequest } from '../http-client.ts';
import { byteEdit } from './byte-edits.ts';
import type { Seed } from './corpus.ts';
import { editStructure, structureEdit } from './structure-edits.ts';

const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'content-type': [
    ...['application/json', 'application/vnd.msgpack', 'application/vnd.safetensors', 'application/octet-stream'],
    ...['text/plain', '', 'application/json; charset=utf-16', 'a/b', 'application/json;;', '*/*'],
  ],
  'content-encoding': ['gzip', 'deflate', 'zstd', 'br', 'identity', '', 'gzip, gzip', 'x-gzip', 'GZIP'],
  accept: ['application/vnd.msgpack', 'application/vnd.safetensors', 'text/html', '', '*/*;q=0', 'a', ','],
  'accept-encoding': ['gzip', 'deflate', 'zstd', '*;q=0', 'identity;q=0'],
  'inference-header-content-length': ['0', '1', '10', '100000', '-1', 'x', '1e3', '9007199254740993', ''],
};

const header = fc
  .constantFrom(...Object.keys(HEADERS))
  .chain((name) => fc.constantFrom(...HEADERS[name]!).map((value) => [name, value] as const));

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.array(arbitrary, { minLength: 1, maxLength: 2 }) },
  );

const parts = fc.record({
  seed: fc.nat(),
  other: fc.nat(),
  writer: fc.nat(),
  structure: fc.array(structureEdit, { maxLength: 2 }),
  bytes: fc.array(byteEdit, { maxLength: 3 }),
  compression: fc.option(fc.constantFrom(...(Object.keys(COMPRESSIONS) as (keyof typeof COMPRESSIONS)[])), { freq: 3 }),
  compressedBytes: rarely(byteEdit),
  headers: rarely(header),
});

/** @param corpus valid requests */
export function mutantsOf(corpus: readonly Seed[]): fc.Arbitrary<HttpRequest> {
  return parts.map(({ seed, other, writer, structure, bytes, compression, compressedBytes, headers }) => {
    const { method, path, fields, writers } = corpus[seed % corpus.length]!;
    const spliced = corpus[other % corpus.length]!;
    const otherBody = Buffer.from(spliced.writers[writer % spliced.writers.length]!(spliced.fields).body);
    const edited = structure.reduce<unknown>(editStructure, fields);
    const encoded = write(writers, writer, edited) ?? write(writers, writer, fields)!;
    const written = bytes.reduce<Buffer>((body, edit) => edit(body, otherBody), Buffer.from(encoded.body));
    const packed: Buffer = compression === null ? written : COMPRESSIONS[compression](written);
    const body = compressedBytes.reduce<Buffer>((body, edit) => edit(body, otherBody), packed);
    return {
      method,
      path,
      headers: {
        ...encoded.headers,
        ...(compression !== null && { 'content-encoding': compression }),
        ...Object.fromEntries(headers),
      },
      body,
    };
  });
}

/** Writes a request body; undefined when the format cannot represent the value. */
function write(writers: Seed['writers'], index: number, fields: unknown) {
  try {
    return writers[index % writers.length]!(fields as Record<string, unknown>);
  } catch {
    return undefined;
  }
}
