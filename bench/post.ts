import { Agent } from 'node:http';
import { javascriptNll } from './baselines/javascript-kernel.ts';
import { requireAgreement } from './agreement.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { post, requestHead } from './request.ts';
import { startBaseline, startService } from './service.ts';
import type { ChildServer } from './service.ts';
import { gigabytesPerSecond, interleave, mean, median } from './statistics.ts';

const ROWS = 1024;
const CLASSES = 32000;
/** Until V8 has compiled the kernel for speed: about a gigabyte of logits. */
const WARM_UP_ROUNDS = 10;
const ROUNDS = 11;

/** A large request end to end, against a server that reads the same bytes and does nothing with them. */
export async function benchPost(): Promise<Comparison[]> {
  const logits = makeLogits('float32', ROWS, CLASSES);
  const labels = makeLabels(ROWS, CLASSES);
  const body = Buffer.concat([requestHead([ROWS, CLASSES], labels), logits]);
  const expectedLoss = mean(javascriptNll('float32', logits, CLASSES, labels));

  await using drain = await startBaseline('drain-server');
  await using service = await startService();
  const agent = new Agent({ keepAlive: true });
  try {
    const timePost = async ({ port }: ChildServer): Promise<{ loss: number; milliseconds: number }> => {
      const started = performance.now();
      const loss = await post(port, agent, body.byteLength, [body]);
      return { loss, milliseconds: performance.now() - started };
    };
    const toDrain: number[] = [];
    const toEvaluate: number[] = [];
    await interleave(WARM_UP_ROUNDS + ROUNDS, [
      async () => void toDrain.push((await timePost(drain)).milliseconds),
      async () => {
        const { loss, milliseconds } = await timePost(service);
        requireAgreement('POST', [loss], [expectedLoss]);
        toEvaluate.push(milliseconds);
      },
    ]);
    const drained = median(toDrain.slice(WARM_UP_ROUNDS));
    const evaluated = median(toEvaluate.slice(WARM_UP_ROUNDS));

    const figure = (milliseconds: number): string =>
      `${milliseconds.toFixed(1)} ms, ${gigabytesPerSecond(body.byteLength, milliseconds).toFixed(2)} GB/s`;
    return [
      {
        what: `POST of ${(body.byteLength / 1e6).toFixed(0)} MB, float32 as MessagePack`,
        figure: figure(evaluated),
        against: `draining ${figure(drained)}`,
        value: evaluated / drained,
        unit: '×',
        goal: { atMost: 1.25 },
      },
    ];
  } finally {
    agent.destroy();
  }
}
