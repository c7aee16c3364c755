import type { Readable, Transform } from 'node:stream';
import { constants, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { LossmeterError } from '../errors.ts';

/** Bytes that a decoder hands on at a time: large enough to be held without a copy. */
const CHUNK_BYTES = 65_536;

/** Decoded bytes that may wait unread, on top of the chunk that is being decoded. */
const DECODED_AHEAD_BYTES = 2 ** 18;

/** Memory of a decoder beside its window: its state, what waits in front of it and behind it. */
const DECODER_BYTES = 2 ** 19;

/** Window of the formats of zlib. */
const ZLIB_WINDOW_BYTES = 2 ** 15;

/** Logarithm to base 2 of the largest window of a zstd frame: 8 MiB, as RFC 8878 (3.1.1.1.2) recommends for decoders. */
const ZSTD_WINDOW_LOG = 23;

/** Decoders by the names of RFC 9110 (gzip; deflate, which is the zlib format) and RFC 8878 (zstd). */
const DECODERS: Readonly<Record<string, () => Transform & { bytesWritten: number }>> = {
  gzip: () => createGunzip({ chunkSize: CHUNK_BYTES }),
  'x-gzip': () => createGunzip({ chunkSize: CHUNK_BYTES }),
  deflate: () => createInflate({ chunkSize: CHUNK_BYTES }),
  zstd: () =>
    createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } }),
};

/** Content encodings that request bodies may have. */
export const CONTENT_ENCODINGS = ['gzip', 'deflate', 'zstd'] as const;

/** A body without its content encoding. */
export interface DecodedBody {
  readonly stream: Readable;
  /** True for a body with a content encoding: its length is not that of the stream. */
  readonly encoded: boolean;
  /** Bytes that its decoder may take, with those that wait in front of it and behind it. */
  readonly decoderBytes: number;
  /** Decoded bytes that may wait unread; undefined without an encoding. */
  readonly aheadBytes: number | undefined;
  /** Bytes of it as they came; undefined without an encoding, where they are those of the stream. */
  readonly received: number | undefined;
  /** True while all received bytes are decoded and more are to come. */
  readonly isStarved: boolean;
  /** Makes the problem of an error of the stream. */
  readonly explain: (cause: Error) => LossmeterError;
  /** @throws LossmeterError body_too_large when so many decoded bytes are more than those that came may become */
  readonly requireRatio: (decoded: number) => void;
  /** @throws LossmeterError malformed_body when bytes follow the end of what was encoded; to be called at its end */
  readonly requireEnd: () => void;
  /** Lets go of the body, which may not have been read to its end. */
  readonly close: () => void;
}

/** Decoded bytes that are accepted at any ratio: zeros grow a thousandfold, and short bodies do no harm. */
const FREE_DECODED_BYTES = 2 ** 24;

/**
 * @param maxRatio bytes that one byte of the body may become
 * @throws LossmeterError unsupported_content_encoding
 */
export function decodeContent(body: Readable, contentEncoding: string | undefined, maxRatio: number): DecodedBody {
  const encoding = contentEncoding?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') {
    const nothing = (): void => undefined;
    return {
      stream: body,
      encoded: false,
      decoderBytes: 0,
      aheadBytes: undefined,
      isStarved: true,
      received: undefined,
      explain: clientClosed,
      requireRatio: nothing,
      requireEnd: nothing,
      close: nothing,
    };
  }
  const makeDecoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (makeDecoder === undefined) {
    const detail = `Content-Encoding is ${encoding.slice(0, 64)}, expected one of ${CONTENT_ENCODINGS.join(', ')}`;
    throw new LossmeterError('unsupported_content_encoding', detail);
  }
  const decoder = makeDecoder();
  // pipe carries no failure on: neither that of the connection, nor that it closed before its end.
  const onFailure = (cause?: Error): void => {
    if (!body.readableEnded) decoder.destroy(clientClosed(cause));
  };
  body.on('error', onFailure);
  body.on('close', onFailure);
  let received = 0;
  body.on('data', (chunk: Uint8Array) => {
    received += chunk.byteLength;
  });
  body.pipe(decoder);
  return {
    stream: decoder,
    encoded: true,
    aheadBytes: DECODED_AHEAD_BYTES,
    decoderBytes:
      DECODER_BYTES + DECODED_AHEAD_BYTES + (encoding === 'zstd' ? 2 ** ZSTD_WINDOW_LOG : ZLIB_WINDOW_BYTES),
    get received() {
      return received;
    },
    get isStarved() {
      return !body.readableEnded && received === decoder.bytesWritten;
    },
    explain: (cause) => (cause instanceof LossmeterError ? cause : malformed(encoding, cause)),
    requireRatio: (decoded) => {
      if (decoded <= FREE_DECODED_BYTES || decoded <= maxRatio * received) return;
      const detail = `${received} bytes of ${encoding} data became ${decoded}, more than ${maxRatio} times as many; send the body without a Content-Encoding`;
      throw new LossmeterError('body_too_large', detail);
    },
    requireEnd: () => {
      const surplus = received - decoder.bytesWritten;
      if (surplus === 0) return;
      const detail = `${surplus} or more bytes follow the end of the ${encoding} data, which may have one frame only`;
      throw new LossmeterError('malformed_body', detail);
    },
    close: () => {
      body.off('close', onFailure);
      body.unpipe(decoder);
      decoder.on('error', () => undefined);
      decoder.destroy();
    },
  };
}

function malformed(encoding: string, cause: Error): LossmeterError {
  const code = (cause as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'truncated_body' : 'malformed_body';
  return new LossmeterError(code, `the body cannot be decoded as ${encoding}: ${cause.message}`, [], { cause });
}

export function clientClosed(cause?: Error): LossmeterError {
  return new LossmeterError('client_closed', 'the connection was closed before the body was complete', [], { cause });
}
