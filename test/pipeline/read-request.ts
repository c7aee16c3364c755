/** Reads a request as the pipeline does, with a writer that replaces the kernels. */
import type { LogitsIntake } from '../../src/engine/intake.ts';
import { NamedFiles } from '../../src/files/named-files.ts';
import { RequestFiles } from '../../src/files/request-files.ts';
import { RequestReader } from '../../src/pipeline/request-reader.ts';
import type { Waiting } from '../../src/waiting.ts';
import type { ByteReader } from '../../src/wire/body/byte-reader.ts';
import type { JsonText } from '../../src/wire/decoding.ts';
import { parseJson } from '../../src/wire/json-text/text.ts';
import type { Codec, DecodeContext, ReadRequest } from '../../src/wire/request.ts';

const NO_FILES = new NamedFiles({ s3PathStyle: false, stallSeconds: 1, maxJsonBytes: 0 });

interface Reading {
  readonly context: DecodeContext;
  readonly open: (request: ReadRequest) => Pick<LogitsIntake, 'write'>;
}

/** @returns the fields of a request without tensors */
export function* readRequest(
  codec: Codec,
  bytes: ByteReader,
  { context, open }: Reading,
): Waiting<Readonly<Record<string, unknown>> | undefined> {
  const means = { context, files: new RequestFiles(NO_FILES), parseJson: ({ text }: JsonText) => parseJson(text, 64) };
  const reader = new RequestReader(codec, bytes, means);
  try {
    const header = yield* reader.readHeader();
    if (header === undefined) return reader.fields;
    yield* reader.writeTo(open(header) as LogitsIntake, header.streamed);
    return undefined;
  } finally {
    reader.close();
  }
}
