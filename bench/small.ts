import type { Comparison } from './comparison.ts';
import { startBaseline, startService } from './service.ts';
import { SMALL_REQUESTS, compareSmallRequests } from './small-requests.ts';

/** Requests whose logits are few, against a route that reads the same body and answers a constant. */
export async function benchSmall(): Promise<Comparison[]> {
  await using bare = await startBaseline('bare-fastify');
  await using service = await startService();
  const [ofBare, ofService] = await compareSmallRequests([bare, service]);
  return [
    {
      what: SMALL_REQUESTS,
      figure: `${ofService!.toFixed(0)} requests/s`,
      against: `bare Fastify ${ofBare!.toFixed(0)} requests/s`,
      value: ofService! / ofBare!,
      unit: '×',
      goal: { atLeast: 0.7 },
    },
  ];
}
