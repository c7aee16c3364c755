import { once } from 'node:events';
import { request } from 'node:http';
import type { Agent, IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { Packr } from 'msgpackr';
import { elementCount } from '../src/tensor/shape.ts';

export const PATH = '/v1/cross-entropy';
export const MEDIA_TYPE = 'application/msgpack';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const BIN_8_EMPTY_BYTES = 2;

/**
 * A MessagePack request for float32 logits (rows, classes), up to the bytes of the logits: with the label first and
 * these last, the service can evaluate them as they arrive.
 */
export function requestHead(shape: readonly [number, number], labels: Int32Array): Buffer {
  const withoutLogits = packr.pack({
    label: {
      dtype: 'int32',
      shape: [labels.length],
      data: Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength),
    },
    logits: { dtype: 'float32', shape, data: Buffer.alloc(0) },
  });
  const bin32 = Buffer.of(0xc6, 0, 0, 0, 0);
  bin32.writeUInt32BE(elementCount(shape)! * Float32Array.BYTES_PER_ELEMENT, 1);
  return Buffer.concat([withoutLogits.subarray(0, -BIN_8_EMPTY_BYTES), bin32]);
}

/** Posts the chunks as one body, no faster than the server takes them, and resolves with the answer's loss. */
export async function post(port: number, agent: Agent, byteLength: number, chunks: Iterable<Buffer>): Promise<number> {
  const headers = { 'content-type': MEDIA_TYPE, 'content-length': byteLength };
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
