import type { Readable } from 'node:stream';
import { LossmeterError } from '../errors.ts';
import { ByteReader } from '../wire/body/byte-reader.ts';
import { decodeContent } from '../wire/body/content-encoding.ts';
import type { DecodedBody } from '../wire/body/content-encoding.ts';
import { kindOfFile } from '../wire/body/file-kind.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import type { Codec } from '../wire/request.ts';
import type { Place } from './admission/admission.ts';
import { BodyProgress } from './body-progress.ts';

/** A request body, as it arrives. */
export interface RequestBody {
  stream: Readable;
  codec: Codec;
  contentEncoding: string | undefined;
  /** Content-Length; undefined if the request has none. */
  contentLength: number | undefined;
  /** True once the client has left. */
  isAbandoned?: () => boolean;
}

export interface BodyLimits {
  maxBodyBytes: number;
  maxDecompressionRatio: number;
}

/** Admitted body: its decoded bytes, and the account of their memory. */
export class OpenBody {
  readonly codec: Codec;
  readonly held: HeldBytesAccount;
  readonly reader: ByteReader;
  readonly #content: DecodedBody;
  readonly #place: Place;
  #isHandedOver = false;
  /** Content-Length; undefined if the request has none, or its body is encoded. */
  readonly contentLength: number | undefined;

  /** Leaves `place` and closes `held` when it throws. @throws LossmeterError unsupported_content_encoding */
  constructor(body: RequestBody, limits: BodyLimits, { held, place }: { held: HeldBytesAccount; place: Place }) {
    const { stream, codec, contentEncoding, contentLength } = body;
    const { maxBodyBytes, maxDecompressionRatio: maxRatio } = limits;
    this.codec = codec;
    this.held = held;
    this.#place = place;
    try {
      this.#content = decodeContent(stream, contentEncoding, { maxRatio, maxBytes: maxBodyBytes, held });
    } catch (error) {
      held.close();
      place.leave();
      throw error;
    }
    const { explain, check, aheadBytes, encoded } = this.#content;
    this.contentLength = encoded ? undefined : contentLength;
    const options = { explain, check, aheadBytes, length: this.contentLength };
    this.reader = new ByteReader(this.#content.stream, maxBodyBytes, options);
    place.watch(new BodyProgress(this.reader, this.#content));
  }

  /** @throws LossmeterError when bytes follow the encoded content */
  requireEnd(): void {
    this.#content.requireEnd();
  }

  /** @returns the error of the request, which names the file type if the body is a file of another kind */
  explain(error: unknown): unknown {
    return namingFile(error, this.reader.beginning, this.codec);
  }

  /** Keeps the memory of the request for its answer. @returns function that releases it once the answer was sent */
  handOver(): () => void {
    this.#isHandedOver = true;
    return () => this.held.close();
  }

  /** Ends the reading of the body. Releases its memory unless it was handed over. */
  close(): void {
    this.reader.detach();
    this.#content.close();
    if (!this.#isHandedOver) this.held.close();
    this.#place.leave();
  }

  /** Ends the reading of the body once its files are closed. If this fails, no answer is sent, and the memory is released. */
  async closeAfter(closingFiles: Promise<void>): Promise<void> {
    try {
      await closingFiles;
    } catch (error) {
      this.#isHandedOver = false;
      throw error;
    } finally {
      this.close();
    }
  }
}

/** Error codes of bodies that cannot be read. */
const UNREADABLE: ReadonlySet<string> = new Set(['malformed_body', 'truncated_body', 'body_too_large']);

/** Replaces the error of an unreadable body by an error that names the kind of file, if the kind is known. */
function namingFile(error: unknown, beginning: Uint8Array, { mediaTypes, name }: Codec): unknown {
  if (!(error instanceof LossmeterError) || !UNREADABLE.has(error.code)) return error;
  const found = kindOfFile(beginning);
  if (found === undefined) return error;
  const detail = `the body is ${found.kind}, expected ${mediaTypes[0] ?? `a request of ${name}`}; ${found.advice}`;
  return new LossmeterError('malformed_body', detail, [], { cause: error });
}
