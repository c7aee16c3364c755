import { once } from 'node:events';
import { request } from 'node:http';
import type { Agent, IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { Packr } from 'msgpackr';
import { elementCount } from '../src/tensor/shape.ts';
import { withHeader } from '../test/safetensors-file.ts';

const PATH = '/v1/cross-entropy';
export const MSGPACK = 'application/msgpack';
export const SAFETENSORS = 'application/vnd.safetensors';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const BIN_8_EMPTY_BYTES = 2;
/** Alignment of tensors in files of the safetensors library. */
const SAFETENSORS_ALIGNMENT = 8;

/**
 * A MessagePack request for float32 logits (rows, classes), up to the bytes of the logits. The label comes first and
 * the logits last, so the service can evaluate them as they arrive.
 */
export function requestHead(shape: readonly [number, number], labels: Int32Array): Buffer {
  const withoutLogits = packr.pack({
    label: { dtype: 'int32', shape: [labels.length], data: bytesOf(labels) },
    logits: { dtype: 'float32', shape, data: Buffer.alloc(0) },
  });
  const bin32 = Buffer.of(0xc6, 0, 0, 0, 0);
  bin32.writeUInt32BE(elementCount(shape)! * Float32Array.BYTES_PER_ELEMENT, 1);
  return Buffer.concat([withoutLogits.subarray(0, -BIN_8_EMPTY_BYTES), bin32]);
}

/** The head of the same request as a safetensors file. */
export function fileHead(shape: readonly [number, number], labels: Int32Array): Buffer {
  const label = bytesOf(labels);
  const end = label.byteLength + elementCount(shape)! * Float32Array.BYTES_PER_ELEMENT;
  const header = JSON.stringify({
    label: { dtype: 'I32', shape: [labels.length], data_offsets: [0, label.byteLength] },
    logits: { dtype: 'F32', shape, data_offsets: [label.byteLength, end] },
  });
  const aligned = Math.ceil(header.length / SAFETENSORS_ALIGNMENT) * SAFETENSORS_ALIGNMENT;
  return withHeader(header.padEnd(aligned), label);
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** A POST with a MessagePack body as the bytes of an HTTP request. */
export function httpRequest(body: Buffer): Buffer {
  const header = [
    `POST ${PATH} HTTP/1.1`,
    'host: 127.0.0.1',
    `content-type: ${MSGPACK}`,
    `content-length: ${body.byteLength}`,
  ];
  return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), body]);
}

/** The body of a request, in pieces. */
export interface Body {
  mediaType: typeof MSGPACK | typeof SAFETENSORS;
  byteLength: number;
  chunks: Iterable<Buffer>;
}

/** Posts a body under the server's back-pressure, and resolves with the loss. */
export async function post(port: number, agent: Agent, { mediaType, byteLength, chunks }: Body): Promise<number> {
  const headers = { 'content-type': mediaType, 'content-length': byteLength };
  const req = request({ host: '127.0.0.1', port, agent, method: 'POST', path: PATH, headers });
  const send = async (): Promise<void> => {
    for (const chunk of chunks) {
      if (!req.write(chunk)) await once(req, 'drain');
    }
    req.end();
  };
  const [[response]] = await Promise.all([once(req, 'response') as Promise<[IncomingMessage]>, send()]);
  const answer = await text(response);
  if (response.statusCode !== 200) throw new Error(`the answer is ${response.statusCode}: ${answer}`);
  return (JSON.parse(answer) as { loss: number }).loss;
}
