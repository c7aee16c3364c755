import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import { Service } from '../service.ts';

const service = Service.start();

interface Event {
  event: string;
  id: string | undefined;
  data: Record<string, unknown>;
}

async function record(run: string, step: number, numerator: number, rank = 0, url = service.url): Promise<void> {
  const body = JSON.stringify({ numerator, denominator: 1 });
  const headers = { 'content-type': 'application/json' };
  const { status } = await fetch(`${url}/v1/runs/${run}/steps/${step}/ranks/${rank}`, { method: 'PUT', headers, body });
  expect(status).toBe(201);
}

/** Opens an event stream, and collects its events. */
async function watch(run: string, lastEventId?: string, query = '', url = service.url) {
  const left = new AbortController();
  onTestFinished(() => left.abort());
  const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const response = await fetch(`${url}/v1/runs/${run}/events${query}`, { headers, signal: left.signal });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const events: Event[] = [];
  const ids: string[] = [];
  let isOver = false;
  const read = async (): Promise<void> => {
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const fields = text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s, 2) as [string, string]);
        text = text.slice(end + 2);
        const { event, id, data } = Object.fromEntries(fields) as Record<string, string | undefined>;
        if (id !== undefined) ids.push(id);
        if (event !== undefined) events.push({ event, id, data: JSON.parse(data!) as Event['data'] });
      }
    }
    isOver = true;
  };
  read().catch(() => undefined);
  const until = async (count: number): Promise<void> => {
    for (let k = 0; k < 200 && events.length < count; k++) await sleep(5);
    expect(events.length).toBeGreaterThanOrEqual(count);
  };
  return { events, ids, until, leave: () => left.abort(), isOver: () => isOver };
}

describe('events of a run', () => {
  test('are the steps that change, as the curve has them, within a second', async () => {
    await record('live', 1, 5);
    const { events, until } = await watch('live');
    await record('live', 2, 4);
    await until(1);
    await record('live', 2, 6, 1);
    await until(2);
    expect(events.map(({ event, data }) => [event, data['step'], data['loss'], data['ranks']])).toEqual([
      ['step', 2, 4, 1],
      ['step', 2, 5, 2],
    ]);
    const { steps } = (await (await service.get('/v1/runs/live/steps?from=2')).json()) as { steps: unknown[] };
    expect(events[1]!.data).toEqual(steps[0]);
  });

  test('go on after the last that was seen, each step in its newest state', async () => {
    await record('resume', 1, 5);
    const first = await watch('resume');
    await record('resume', 2, 4);
    await first.until(1);
    first.leave();
    for (const [step, rank] of [
      [3, 0],
      [4, 0],
      [3, 1],
    ] as const)
      await record('resume', step, 2, rank);
    const second = await watch('resume', first.events[0]!.id);
    await second.until(2);
    await sleep(50);
    expect(second.events.map(({ data }) => [data['step'], data['ranks']])).toEqual([
      [4, 1],
      [3, 2],
    ]);
    // The first id lets a client that has received no event resume from the beginning.
    expect(first.ids[0]).toMatch(/^\d+$/);
  });

  test('go on after the header, which is newer than the address, and begin anew where history was lost', async () => {
    for (const step of [1, 2, 3]) await record('again', step, 1);
    const all = await watch('again', '0');
    await all.until(3);
    const back = await watch('again', all.events[2]!.id, '?last_event_id=0');
    await sleep(100);
    expect(back.events).toEqual([]);
    const fromAddress = await watch('again', undefined, '?last_event_id=0');
    await fromAddress.until(3);
    const lost = await watch('again', '999999999');
    await lost.until(3);
  });

  test('are also what is said of the run, and that it was deleted', async () => {
    await record('told', 1, 5);
    const { events, until, isOver } = await watch('told');
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ labels: { note: 'x' } });
    await fetch(`${service.url}/v1/runs/told`, { method: 'PUT', headers, body });
    await until(1);
    await fetch(`${service.url}/v1/runs/told`, { method: 'DELETE' });
    await until(2);
    expect(events).toMatchObject([{ event: 'run', data: { labels: { note: 'x' } } }, { event: 'deleted' }]);
    await sleep(20);
    expect(isOver()).toBe(true);
  });

  test('of a run that is not there are a 404', async () => {
    expect((await service.get('/v1/runs/nothing/events')).status).toBe(404);
  });
});

test('a service that closes ends them at once', async () => {
  const app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1 } });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  await record('closing', 1, 5, 0, url);
  const { isOver } = await watch('closing', undefined, '', url);
  await sleep(50);
  const started = performance.now();
  await app.close();
  expect(performance.now() - started).toBeLessThan(5000);
  await sleep(20);
  expect(isOver()).toBe(true);
});
