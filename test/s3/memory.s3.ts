import { expect, test } from 'vitest';
import { resetPeak, residentMemory } from '../complexity/resident-memory.ts';
import { ServiceProcess } from '../e2e/process.ts';
import { withHeader } from '../safetensors-file.ts';
import { TestStorage } from './storage.ts';

const storage = TestStorage.start('memory');

const ROWS = 1024;
const CLASSES = 32_768;
/** Limit of the growth of memory: slabs in use, and the read-ahead. */
const MOST_MEGABYTES = 64;

/** A safetensors file of logits that are all the same. */
function fileOf(rows: number): Buffer {
  const bytes = rows * CLASSES * 4;
  const header = { logits: { dtype: 'F32', shape: [rows, CLASSES], data_offsets: [0, bytes] } };
  return withHeader(JSON.stringify(header), Buffer.alloc(bytes, 1));
}

const post = async (url: string, path: string, request: object): Promise<Record<string, unknown>> => {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(request) });
  return (await response.json()) as Record<string, unknown>;
};

test('an object of 134 MB is evaluated and compared in flat memory, while probes are answered', async () => {
  const large = await storage.put('large.safetensors', fileOf(ROWS));
  const small = await storage.put('small.safetensors', fileOf(64));
  const service = await ServiceProcess.start({
    ...storage.environment,
    ...{ LOSSMETER_S3_BUCKETS: 'memory', LOSSMETER_WORKERS: '2', LOSSMETER_LOG_LEVEL: 'info' },
  });
  try {
    const pid = service.child.pid!;
    const evaluate = (file: string, rows: number) =>
      post(service.url, '/v1/cross-entropy', {
        logits: { file, tensor: 'logits' },
        label: { dtype: 'int64', shape: [rows], data: Array.from({ length: rows }, (_, row) => row) },
        options: { reduction: 'sum' },
      });
    const compare = (file: string) =>
      post(service.url, '/v1/kl-divergence', {
        logits: { file, tensor: 'logits' },
        reference: { file, tensor: 'logits' },
      });
    for (let round = 0; round < 3; round++) {
      await evaluate(small, 64);
      await compare(small);
    }
    const probes: number[] = [];
    const probesEnd = new AbortController();
    const probing = (async () => {
      while (!probesEnd.signal.aborted) {
        const started = performance.now();
        await (await fetch(`${service.url}/livez`)).text();
        probes.push(performance.now() - started);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    const { now: idle } = residentMemory(pid);
    resetPeak(pid);
    const evaluated = await evaluate(large, ROWS);
    expect(evaluated['loss']).toBeCloseTo(ROWS * Math.log(CLASSES), 3);
    const grownBy = residentMemory(pid).peak - idle;
    const compared = await compare(large);
    expect(compared['loss']).toBe(0);
    const comparedGrownBy = residentMemory(pid).peak - idle;
    probesEnd.abort();
    await probing;
    const slowest = Math.max(...probes);
    console.log(
      `grew by ${grownBy.toFixed(0)} MB, of a comparison ${comparedGrownBy.toFixed(0)} MB; probes took up to ${slowest.toFixed(0)} ms`,
    );
    expect(grownBy).toBeLessThan(MOST_MEGABYTES);
    expect(comparedGrownBy).toBeLessThan(2 * MOST_MEGABYTES);
  } finally {
    await service.end();
  }
});
