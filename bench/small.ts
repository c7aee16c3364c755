import { notMeasured } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { startBaseline, startService } from './service.ts';
import { SMALL_REQUESTS, compareSmallRequests } from './small-requests.ts';

const PROCESSOR_TIME = {
  what: `processor time of ${SMALL_REQUESTS}`,
  unit: '×',
  goal: { atMost: 1.15 },
} as const;

/**
 * Compares requests with few logits with two baselines: a route that reads the same body and answers a constant, and a
 * route that only evaluates it, in one turn of the event loop.
 */
export async function benchSmall(): Promise<Comparison[]> {
  await using bare = await startBaseline('bare-fastify');
  await using oneTurn = await startBaseline('one-turn');
  await using service = await startService();
  const [ofBare, ofOneTurn, ofService] = await compareSmallRequests([bare, oneTurn, service]);
  return [
    {
      what: SMALL_REQUESTS,
      figure: `${ofService!.perSecond.toFixed(0)} requests/s`,
      against: `bare Fastify ${ofBare!.perSecond.toFixed(0)} requests/s`,
      value: ofService!.perSecond / ofBare!.perSecond,
      unit: '×',
      goal: { atLeast: 0.4 },
    },
    ofService!.microseconds === undefined
      ? notMeasured(PROCESSOR_TIME, 'it needs the /proc of Linux')
      : {
          ...PROCESSOR_TIME,
          figure: `${ofService!.microseconds.toFixed(0)} µs`,
          against: `in one turn ${ofOneTurn!.microseconds!.toFixed(0)} µs`,
          value: ofService!.microseconds / ofOneTurn!.microseconds!,
          notes: [`bare Fastify ${ofBare!.microseconds!.toFixed(0)} µs`],
        },
  ];
}
