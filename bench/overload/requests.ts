import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeLabels, makeLogits } from '../logits.ts';
import { MSGPACK, fileHead, requestHead } from '../request.ts';
import type { RequestBytes } from './connection.ts';

const CLASSES = 32000;
/** 4 MB of float32 */
const LARGE_ROWS = 32;
/** 66 MB: reading and evaluating it takes most of the workers' time. */
const FILE_ROWS = 512;

function head(mediaType: string, byteLength: number, ...fields: readonly string[]): string {
  const lines = [
    'POST /v1/cross-entropy HTTP/1.1',
    'host: 127.0.0.1',
    `content-type: ${mediaType}`,
    `content-length: ${byteLength}`,
    ...fields,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function batch(rows: number, classes: number): Buffer {
  return Buffer.concat([requestHead([rows, classes], makeLabels(rows, classes)), makeLogits('float32', rows, classes)]);
}

/** A request that is sent as a whole. */
function atOnce(mediaType: string, body: Buffer): RequestBytes {
  return { first: Buffer.concat([Buffer.from(head(mediaType, body.byteLength)), body]) };
}

/** 32 KB */
export function smallRequest(): RequestBytes {
  return atOnce(MSGPACK, batch(8, 1000));
}

/** 4 MB, from a client that sends the body immediately. */
export function largeRequest(): RequestBytes {
  return atOnce(MSGPACK, batch(LARGE_ROWS, CLASSES));
}

/** 4 MB, from a client that waits for 100 Continue, as curl does from 1 MiB on. */
export function askingRequest(): RequestBytes {
  const body = batch(LARGE_ROWS, CLASSES);
  return { first: Buffer.from(head(MSGPACK, body.byteLength, 'expect: 100-continue')), rest: body };
}

/** Request that names a file, which this function writes into the folder. */
export function fileRequest(folder: string): RequestBytes {
  const name = 'logits.safetensors';
  const bytes = [
    fileHead([FILE_ROWS, CLASSES], makeLabels(FILE_ROWS, CLASSES)),
    makeLogits('float32', FILE_ROWS, CLASSES),
  ];
  writeFileSync(path.join(folder, name), Buffer.concat(bytes));
  const tensor = (field: string): object => ({ file: name, tensor: field });
  const body = { logits: tensor('logits'), label: tensor('label') };
  return atOnce('application/json', Buffer.from(JSON.stringify(body)));
}

export function probe(): RequestBytes {
  return { first: Buffer.from('GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n') };
}

/** Start of a request whose header continues byte by byte. */
export function slowHead(): Uint8Array {
  return Buffer.from('POST /v1/cross-entropy HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ');
}

/** Start of a request that announces 131 MB, and whose logits continue byte by byte. */
export function slowBody(): Uint8Array {
  const shape = [1024, CLASSES] as const;
  const begin = requestHead(shape, makeLabels(...shape));
  const byteLength = begin.byteLength + shape[0] * shape[1] * Float32Array.BYTES_PER_ELEMENT;
  return Buffer.concat([Buffer.from(head(MSGPACK, byteLength)), begin]);
}
