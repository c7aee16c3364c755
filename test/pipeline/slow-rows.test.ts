import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { encode } from '../rows.ts';
import { MSGPACK, Service, encodeRequest } from '../service.ts';
import { TIMED } from '../timed.ts';

const service = Service.start({ workers: 2 });

const CLASSES = 2 ** 23;

/** The start of a request with one row of 64 MiB, of which `received` bytes of logits are sent. */
function startOfLongRow(received: number): Buffer {
  const options = { softcap: 30, outputs: ['gradient'] };
  const label = { dtype: 'int32', shape: [1], data: new Uint8Array(4) };
  const logits = { dtype: 'float64', shape: [1, CLASSES], data: new Uint8Array(2 ** 16) };
  // The encoded length of the data is 2^16 bytes. Replace it by the length of the whole row.
  const encoded = Buffer.from(encodeRequest({ options, label, logits }, MSGPACK) as Uint8Array);
  const head = encoded.subarray(0, encoded.byteLength - 2 ** 16);
  head.writeUInt32BE(8 * CLASSES, head.byteLength - 4);
  const length = head.byteLength + 8 * CLASSES;
  const http = `POST /v1/cross-entropy HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${MSGPACK}\r\ncontent-length: ${length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(http), head, Buffer.alloc(received)]);
}

test('a client that sends a long row slowly does not hold the memory of the kernels', TIMED, async () => {
  const slow = connect(Number(new URL(service.url).port), '127.0.0.1');
  slow.on('error', () => undefined);
  slow.write(startOfLongRow(200_000));
  const timer = setInterval(() => slow.write(Buffer.alloc(20_000)), 100);
  try {
    await sleep(500);
    const metrics = await (await service.get('/metrics')).text();
    expect(metrics, 'the slab of the slow client').toMatch(/slab_bytes_in_use 67108864\n/);
    const logits = { dtype: 'float32', shape: [100, 2000], data: encode('float32', new Float64Array(200_000)) };
    const label = { dtype: 'int32', shape: [100], data: new Uint8Array(400) };
    const started = performance.now();
    const { status } = await service.post({ label, logits }, { type: MSGPACK });
    expect(status).toBe(200);
    expect(performance.now() - started).toBeLessThan(1000);
  } finally {
    clearInterval(timer);
    slow.destroy();
  }
});
