import { Writable } from 'node:stream';
import type { Readable, Transform } from 'node:stream';
import { constants, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { LossmeterError } from '../../errors.ts';
import { free } from '../../tensor/memory.ts';
import type { HeldBytesAccount } from './held-bytes.ts';
import { MAX_WINDOW_LOG, ZstdFrames } from './zstd-frames.ts';

/** Largest chunk that a decoder emits. HeldRuns keeps chunks of this size without a copy. */
const CHUNK_BYTES = 65_536;

/** Decoded bytes that may be buffered unread, in addition to the chunk that is being decoded. */
const DECODED_AHEAD_BYTES = 2 ** 18;

/** Memory of a decoder without its window: its state, and its input and output buffers. */
const DECODER_BYTES = 2 ** 19;

/** Window of gzip and deflate. */
const ZLIB_WINDOW_BYTES = 2 ** 15;

/** Decoders by the names of RFC 9110 (gzip; deflate, which is the zlib format) and RFC 8878 (zstd). */
const DECODERS: Readonly<Record<string, () => Transform & { bytesWritten: number }>> = {
  gzip: () => createGunzip({ chunkSize: CHUNK_BYTES }),
  'x-gzip': () => createGunzip({ chunkSize: CHUNK_BYTES }),
  deflate: () => createInflate({ chunkSize: CHUNK_BYTES }),
  zstd: () =>
    createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } }),
};

/** Largest window of a zstd frame that is decoded. */
const MAX_WINDOW_BYTES = 2 ** MAX_WINDOW_LOG;

/** Content encodings that request bodies may have. */
export const CONTENT_ENCODINGS = ['gzip', 'deflate', 'zstd'] as const;

/** A body without its content encoding. */
export interface DecodedBody {
  readonly stream: Readable;
  /** True for a body with a content encoding: Content-Length is not the length of the stream. */
  readonly encoded: boolean;
  /** Decoded bytes that may be buffered unread; undefined without an encoding. */
  readonly aheadBytes: number | undefined;
  /** Encoded bytes received; undefined without an encoding, where the stream's bytes are the received bytes. */
  readonly received: () => number | undefined;
  /** True while all received bytes are decoded and more of the body is expected. */
  readonly isStarved: () => boolean;
  /** Converts an error of the stream to the error of the request. */
  readonly explain: (cause: Error) => LossmeterError;
  /**
   * Accounts for the memory of the decoder, and checks the compression ratio. Called with the number of bytes decoded so far.
   * @throws LossmeterError body_too_large when the ratio is too high or the memory is insufficient; overloaded
   */
  readonly check: (decoded: number) => void;
  /** Called at the end of the decoded data. @throws LossmeterError malformed_body when bytes follow the encoded data */
  readonly requireEnd: () => void;
  /** Releases the decoder and detaches it from the body, which need not have ended. */
  readonly close: () => void;
}

/** Decoded bytes that are accepted at any ratio. Zeros expand a thousandfold, and short bodies are harmless. */
const FREE_DECODED_BYTES = 2 ** 24;

/** Advice to a client whose decoder would need too much memory. */
const DECODER_ADVICE = 'send it without a Content-Encoding';

const WINDOW_ADVICE = 'compress it with a smaller window, such as that of zstd without --long';

/** Options of decoding a body. */
export interface DecodingOptions {
  /** Largest ratio of decoded bytes to received bytes. */
  readonly maxRatio: number;
  /** Limit of the encoded body. The limit of the decoded body does not replace it: encoded data may decode to nothing. */
  readonly maxBytes: number;
  /** Accounts for the memory of the decoder. */
  readonly held: HeldBytesAccount;
}

/** @throws LossmeterError unsupported_content_encoding, body_too_large, overloaded */
export function decodeContent(
  body: Readable,
  contentEncoding: string | undefined,
  { maxRatio, maxBytes, held }: DecodingOptions,
): DecodedBody {
  const encoding = contentEncoding?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') {
    const nothing = (): void => undefined;
    return {
      stream: body,
      encoded: false,
      aheadBytes: undefined,
      isStarved: () => true,
      received: () => undefined,
      explain: clientClosed,
      check: nothing,
      requireEnd: nothing,
      close: nothing,
    };
  }
  const makeDecoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (makeDecoder === undefined) {
    const detail = `Content-Encoding is ${encoding.slice(0, 64)}, expected one of ${CONTENT_ENCODINGS.join(', ')}`;
    throw new LossmeterError('unsupported_content_encoding', detail);
  }
  const windowBytes = encoding === 'zstd' ? 0 : ZLIB_WINDOW_BYTES;
  held.take(DECODER_BYTES + DECODED_AHEAD_BYTES + windowBytes, 'the decoder of the body', DECODER_ADVICE);
  const decoder = makeDecoder();
  const budget = encoding === 'zstd' ? new ZstdBudget(held) : undefined;
  const frames = budget && new ZstdFrames((windowBytes) => budget.announce(windowBytes));
  const sink = chunkByChunk(decoder, frames);
  /** Received bytes that were decoded, or withheld from the decoder. */
  const consumed = (): number => decoder.bytesWritten + (frames?.withheld ?? 0);
  // pipe() forwards neither errors of the connection nor its close before the end of the body.
  const onFailure = (cause?: Error): void => {
    if (!body.readableEnded) decoder.destroy(clientClosed(cause));
  };
  body.on('error', onFailure);
  body.on('close', onFailure);
  let received = 0;
  body.on('data', (chunk: Uint8Array) => {
    received += chunk.byteLength;
    if (received > maxBytes) decoder.destroy(bodyTooLong(maxBytes));
  });
  body.pipe(sink);
  return {
    stream: decoder,
    encoded: true,
    aheadBytes: DECODED_AHEAD_BYTES,
    received: () => received,
    isStarved: () => !body.readableEnded && received === consumed(),
    explain: (cause) => (cause instanceof LossmeterError ? cause : malformed(encoding, cause)),
    check: (decoded) => {
      budget?.fill(decoded);
      if (decoded <= FREE_DECODED_BYTES || decoded <= maxRatio * received) return;
      const detail = `${received} bytes of ${encoding} data became ${decoded}, more than ${maxRatio} times as many; send the body without a Content-Encoding`;
      throw new LossmeterError('body_too_large', detail);
    },
    requireEnd: () => {
      const surplus = received - consumed();
      if (surplus === 0) return;
      const detail = `at least ${surplus} bytes follow the end of the ${encoding} data`;
      throw new LossmeterError('malformed_body', detail);
    },
    close: () => {
      body.off('close', onFailure);
      body.unpipe(sink);
      decoder.on('error', () => undefined);
      decoder.destroy();
    },
  };
}

/**
 * Number of zstd frames that are decoded whatever their size. Each further frame needs BYTES_PER_FRAME decoded bytes: a frame
 * of ten bytes takes Node.js about 10 µs of the main thread.
 */
const FREE_FRAMES = 65_536;
const BYTES_PER_FRAME = 1024;

/**
 * Bounds the number of zstd frames, and accounts for the window that the decoder keeps: the size of the largest window, or the
 * number of decoded bytes if that is less.
 */
class ZstdBudget {
  readonly #held: HeldBytesAccount;
  #frames = 0;
  #decoded = 0;
  #bytes = 0;
  #taken = 0;

  constructor(held: HeldBytesAccount) {
    this.#held = held;
  }

  /** Checks a frame before it reaches the decoder. @throws LossmeterError body_too_large, overloaded */
  announce(bytes: number): void {
    if (++this.#frames > FREE_FRAMES + this.#decoded / BYTES_PER_FRAME) {
      const detail = `the zstd data has more than ${FREE_FRAMES} frames in addition to one per ${BYTES_PER_FRAME} decompressed bytes; compress the body as one frame`;
      throw new LossmeterError('body_too_large', detail);
    }
    if (bytes > MAX_WINDOW_BYTES) {
      const detail = `the zstd data has a frame with a window of ${bytes} bytes, this service decodes windows of at most ${MAX_WINDOW_BYTES} bytes (--long=${MAX_WINDOW_LOG})`;
      throw new LossmeterError('body_too_large', detail);
    }
    if (bytes <= this.#bytes) return;
    this.#bytes = bytes;
    this.#held.requireRoom(bytes - this.#taken, this.#what, WINDOW_ADVICE);
  }

  /** @param decoded bytes of the data so far @throws LossmeterError body_too_large, overloaded */
  fill(decoded: number): void {
    this.#decoded = decoded;
    const more = Math.min(this.#bytes, decoded) - this.#taken;
    if (more <= 0) return;
    this.#held.take(more, this.#what, WINDOW_ADVICE);
    this.#taken += more;
  }

  get #what(): string {
    return `the window of ${this.#bytes} bytes of a zstd frame`;
  }
}

/**
 * Writes data to the decoder. Frees a chunk only after the decoder has read it, because native code reads it until then.
 * Writes zstd data frame by frame: Node.js drops bytes that follow the end of a frame in the same write.
 */
function chunkByChunk(decoder: Transform, frames: ZstdFrames | undefined): Writable {
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      const parts = frames?.split(chunk) ?? [chunk].values();
      const next = (): void => {
        // The body was closed in the meantime, with its account. Native code may still read a part, so it is not freed.
        if (decoder.destroyed) return done();
        try {
          const part = parts.next();
          if (part.done !== true) {
            decoder.write(part.value, next);
            return;
          }
          free(chunk);
          done();
        } catch (error) {
          decoder.destroy(error as Error);
          done();
        }
      };
      next();
    },
    final(done) {
      decoder.end(frames?.unfinished);
      done();
    },
  });
}

/** Messages of zlib about data with another framing. */
const NOT_ZLIB = /incorrect header check|unknown compression method|invalid window size/;

function malformed(encoding: string, cause: Error): LossmeterError {
  const code = (cause as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'truncated_body' : 'malformed_body';
  const hint =
    encoding === 'deflate' && NOT_ZLIB.test(cause.message)
      ? '; deflate is the zlib format (RFC 1950): expected its header and checksum around the data, raw deflate (RFC 1951) has none'
      : '';
  return new LossmeterError(code, `the body cannot be decoded as ${encoding}: ${cause.message}${hint}`, [], { cause });
}

/** @param maxBytes limit of both the encoded and the decoded body */
export function bodyTooLong(maxBytes: number): LossmeterError {
  const detail = `the body is longer than the ${maxBytes} bytes that this service accepts`;
  return new LossmeterError('body_too_large', detail);
}

export function clientClosed(cause?: Error): LossmeterError {
  return new LossmeterError('client_closed', 'the connection was closed before the body was complete', [], { cause });
}
