import { Agent } from 'node:http';
import { javascriptNll } from './baselines/javascript-kernel.ts';
import { requireAgreement } from './agreement.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { MSGPACK, post, requestHead } from './request.ts';
import type { ChildServer } from './service.ts';
import { gigabytesPerSecond, interleave, mean, median } from './statistics.ts';

const ROWS = 1024;
const CLASSES = 32000;
/** Rounds until V8 has optimized the kernel: about a gigabyte of logits. */
const WARM_UP_ROUNDS = 10;
const ROUNDS = 11;

/** A float32 batch of 131 MB. */
export function largeBatch(): { body: Buffer; loss: number } {
  const logits = makeLogits('float32', ROWS, CLASSES);
  const labels = makeLabels(ROWS, CLASSES);
  return {
    body: Buffer.concat([requestHead([ROWS, CLASSES], labels), logits]),
    loss: mean(javascriptNll('float32', logits, CLASSES, labels)),
  };
}

/** A server that receives the batch. */
export interface Recipient {
  server: ChildServer;
  /** False for a server that answers a constant. */
  evaluates: boolean;
}

/** Posts the batch to each server in turn, and resolves with the time and throughput of each. */
export async function comparePosts(
  recipients: readonly Recipient[],
): Promise<{ byteLength: number; times: { milliseconds: number; figure: string }[] }> {
  const { body, loss: expectedLoss } = largeBatch();
  const { byteLength } = body;
  const agent = new Agent({ keepAlive: true });
  const samples = recipients.map((): number[] => []);
  try {
    await interleave(
      WARM_UP_ROUNDS + ROUNDS,
      recipients.map(({ server, evaluates }, k) => async () => {
        const started = performance.now();
        const loss = await post(server.port, agent, { mediaType: MSGPACK, byteLength, chunks: [body] });
        samples[k]!.push(performance.now() - started);
        if (evaluates) requireAgreement('POST', [loss], [expectedLoss]);
      }),
    );
  } finally {
    agent.destroy();
  }
  const times = samples.map((values) => {
    const milliseconds = median(values.slice(WARM_UP_ROUNDS));
    const speed = gigabytesPerSecond(byteLength, milliseconds);
    return { milliseconds, figure: `${milliseconds.toFixed(1)} ms, ${speed.toFixed(2)} GB/s` };
  });
  return { byteLength, times };
}
