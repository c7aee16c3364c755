import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Comparison } from './comparison.ts';
import { startService } from './service.ts';
import { interleave, median } from './statistics.ts';

const ROUNDS = 7;

/** Measures the time from the start of the process until the service is ready, compared with an empty Node.js process. */
export async function benchStart(): Promise<Comparison[]> {
  const ofService: number[] = [];
  const ofNode: number[] = [];
  await interleave(ROUNDS, [
    async () => {
      await using service = await startService();
      ofService.push(service.readyAfter);
    },
    async () => {
      const started = performance.now();
      await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
      ofNode.push(performance.now() - started);
    },
  ]);
  const [ready, bare] = [median(ofService), median(ofNode)];
  return [
    {
      what: 'cold start to ready',
      figure: `${ready.toFixed(0)} ms`,
      against: `node -e 0, ${bare.toFixed(0)} ms`,
      value: ready,
      unit: 'ms',
      ratio: ready / bare,
      goal: { atMost: 600 },
    },
  ];
}
