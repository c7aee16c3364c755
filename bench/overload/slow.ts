import { setTimeout as sleep } from 'node:timers/promises';
import type { Comparison } from '../comparison.ts';
import { startService } from '../service.ts';
import { interleave, median, percentile } from '../statistics.ts';
import { ClientThread } from './client-thread.ts';
import type { RequestBytes } from './connection.ts';
import { largeRequest, slowBody, slowHead, smallRequest } from './requests.ts';
import { SlowClients } from './slow-clients.ts';
import type { Traffic } from './traffic.ts';

const SLOW_CLIENTS = 100;
const STALL_SECONDS = 4;
const LIMITS = {
  LOSSMETER_STALL_SECONDS: String(STALL_SECONDS),
  // Fewer places than slow clients, which would occupy all of them if they took any.
  LOSSMETER_MAX_REQUESTS_IN_FLIGHT: '16',
  LOSSMETER_MAX_QUEUED_REQUESTS: '64',
};

const WARM_UP_MS = 4000;
const ROUNDS = 5;
const ROUND_MS = 1500;
/** Milliseconds in which the slow clients arrive. All are connected when the measurement begins. */
const ARRIVAL_MS = 1000;
const ARRIVALS = 10;

/**
 * Milliseconds until a slow client is answered. They include the interval of the header check, one second, and the time
 * to answer after the timeout.
 */
const ANSWERED_WITHIN_MS = (2 * STALL_SECONDS + 3) * 1000;

interface Ordinary {
  what: string;
  request: RequestBytes;
  connections: number;
}

/** Measures ordinary clients while slow clients send one byte per second. */
export async function benchSlow(): Promise<Comparison[]> {
  await using service = await startService({ environment: LIMITS });
  await using clients = new ClientThread();
  const { port } = service;
  const kinds: readonly Ordinary[] = [
    { what: 'small requests of 32 KB', request: smallRequest(), connections: 8 },
    { what: 'posts of 4 MB', request: largeRequest(), connections: 4 },
  ];
  const run = ({ request, connections }: Ordinary, milliseconds: number): Promise<Traffic> =>
    clients.run({ kind: 'closed', port, requests: [request], connections, milliseconds });
  const beginnings = [slowHead(), slowBody()];

  for (const kind of kinds) await run(kind, WARM_UP_MS);
  const [without, beside] = [kinds.map((): Traffic[] => []), kinds.map((): Traffic[] => [])];
  const measure = async (samples: readonly Traffic[][]): Promise<void> => {
    for (const [k, kind] of kinds.entries()) samples[k]!.push(await run(kind, ROUND_MS));
  };
  await interleave(ROUNDS, [
    () => measure(without),
    async () => {
      using slow = await startSlowly(port, beginnings);
      await measure(beside);
      requireThere(slow);
    },
  ]);
  return [
    ...kinds.flatMap(({ what }, k) => compare(what, without[k]!, beside[k]!)),
    ...(await burst(port, kinds[0]!, clients, beginnings)),
  ];
}

async function startSlowly(port: number, beginnings: readonly Uint8Array[]): Promise<SlowClients> {
  const slow = new SlowClients(port, beginnings);
  for (let k = 0; k < ARRIVALS; k++) {
    slow.start(SLOW_CLIENTS / ARRIVALS);
    await sleep(ARRIVAL_MS / ARRIVALS);
  }
  return slow;
}

/** @throws Error when slow clients were disconnected before the measurement was complete */
function requireThere({ ends }: SlowClients): void {
  const early = ends.filter(({ after }) => after < STALL_SECONDS);
  if (early.length > 0) throw new Error(`slow clients ended early: ${summary(early.map(({ answer }) => answer))}`);
}

function compare(what: string, without: readonly Traffic[], beside: readonly Traffic[]): Comparison[] {
  const speed = (samples: readonly Traffic[]): number =>
    median(samples.map(({ counts, seconds }) => (counts['200'] ?? 0) / seconds));
  // Median over the rounds, because a pause of the machine affects only one round.
  const p99 = (samples: readonly Traffic[]): number =>
    median(samples.map(({ after }) => percentile(after['200']!, 99)));
  const name = `${what} beside ${SLOW_CLIENTS} slow clients`;
  const others = beside.flatMap(({ counts }) => Object.keys(counts)).filter((answer) => answer !== '200');
  return [
    {
      what: name,
      figure: `${speed(beside).toFixed(0)} requests/s`,
      against: `without ${speed(without).toFixed(0)} requests/s`,
      value: speed(beside) / speed(without),
      unit: '×',
      goal: { atLeast: 0.9 },
      ...(others.length > 0 && { notes: [`also answered ${summary(others)}`] }),
    },
    {
      what: `${name}, p99`,
      figure: `${p99(beside).toFixed(1)} ms`,
      against: `without ${p99(without).toFixed(1)} ms`,
      value: p99(beside) / p99(without),
      unit: '×',
      goal: { atMost: 1.5 },
    },
  ];
}

/** Starts all slow clients at once, and waits until the service has disconnected each. */
async function burst(
  port: number,
  { request, connections }: Ordinary,
  clients: ClientThread,
  beginnings: readonly Uint8Array[],
): Promise<Comparison[]> {
  using slow = new SlowClients(port, beginnings);
  const ordinary = clients.run({ kind: 'closed', port, requests: [request], connections, milliseconds: 2000 });
  await sleep(500);
  slow.start(SLOW_CLIENTS);
  const { after } = await ordinary;
  const deadline = performance.now() + ANSWERED_WITHIN_MS;
  while (slow.count > 0 && performance.now() < deadline) await sleep(50);
  const times = slow.ends.map((end) => end.after);
  const ended = slow.ends.filter(({ answer }) => answer === '408 client_too_slow' || answer === 'closed');
  return [
    {
      what: `${SLOW_CLIENTS} slow clients at once: ended after ${STALL_SECONDS} s`,
      figure: summary(slow.ends.map(({ answer }) => answer)) || 'none',
      against: `${SLOW_CLIENTS} clients`,
      value: ended.length / SLOW_CLIENTS,
      unit: '×',
      goal: { atLeast: 1 },
      notes: [`after ${Math.min(...times).toFixed(1)} to ${Math.max(...times).toFixed(1)} s`],
    },
    {
      what: `${SLOW_CLIENTS} slow clients at once: longest wait of another`,
      figure: `${Math.max(...(after['200'] ?? [])).toFixed(1)} ms`,
      against: '',
      value: Math.max(...(after['200'] ?? [])),
      unit: 'ms',
    },
  ];
}

function summary(answers: readonly string[]): string {
  const counts = Map.groupBy(answers, (answer) => answer);
  return [...counts].map(([answer, all]) => `${all.length} × ${answer}`).join(', ');
}
