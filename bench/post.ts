import { Agent } from 'node:http';
import { javascriptNll } from './baselines/javascript-kernel.ts';
import { requireAgreement } from './agreement.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { post, requestHead } from './request.ts';
import { startBaseline, startService } from './service.ts';
import type { ChildServer } from './service.ts';
import { gigabytesPerSecond, interleave, median } from './statistics.ts';

const ROWS = 1024;
const CLASSES = 32000;
const WARM_UP_ROUNDS = 3;
const ROUNDS = 11;

/** A large request end to end, against a server that reads the same bytes and does nothing with them. */
export async function benchPost(): Promise<Comparison[]> {
  const logits = makeLogits('float32', ROWS, CLASSES);
  const labels = makeLabels(ROWS, CLASSES);
  const body = Buffer.concat([requestHead([ROWS, CLASSES], labels), logits]);
  const nll = javascriptNll('float32', logits, CLASSES, labels);
  const expectedLoss = nll.reduce((sum, x) => sum + x, 0) / ROWS;

  await using drain = await startBaseline('drain-server');
  await using service = await startService();
  const agent = new Agent({ keepAlive: true });
  try {
    const toDrain: number[] = [];
    const toEvaluate: number[] = [];
    const postTo = async ({ port }: ChildServer, milliseconds: number[]): Promise<number> => {
      const started = performance.now();
      const loss = await post(port, agent, body.byteLength, [body]);
      milliseconds.push(performance.now() - started);
      return loss;
    };
    const actions = [
      async () => {
        await postTo(drain, toDrain);
      },
      async () => {
        requireAgreement('POST', [await postTo(service, toEvaluate)], [expectedLoss]);
      },
    ];
    await interleave(WARM_UP_ROUNDS, actions);
    toDrain.length = 0;
    toEvaluate.length = 0;
    await interleave(ROUNDS, actions);

    const figure = (milliseconds: number): string =>
      `${milliseconds.toFixed(1)} ms, ${gigabytesPerSecond(body.byteLength, milliseconds).toFixed(2)} GB/s`;
    return [
      {
        what: `POST of ${(body.byteLength / 1e6).toFixed(0)} MB, float32 as MessagePack`,
        figure: figure(median(toEvaluate)),
        against: `draining ${figure(median(toDrain))}`,
        value: median(toEvaluate) / median(toDrain),
        unit: '×',
        goal: { atMost: 1.25 },
      },
    ];
  } finally {
    agent.destroy();
  }
}
