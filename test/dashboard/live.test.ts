import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

interface Listener {
  onOpen(missed: boolean): void;
  onEvent(event: unknown): void;
  onLost(): void;
}
type Follow = (path: string, listener: Listener, signal: AbortSignal) => Promise<void>;

// The types of the tests have no DOM, so the paths are not literals.
const [LIVE, KEY] = ['../../dashboard/src/api/live.ts', '../../dashboard/src/api/key.ts'] as string[];
const { follow } = (await import(LIVE!)) as { follow: Follow };
const { giveKey } = (await import(KEY!)) as { giveKey: (key: string | undefined) => void };

const SILENCE_MS = 45_000;
const heard: string[] = [];
const listener: Listener = {
  onOpen: () => void heard.push('open'),
  onEvent: () => void heard.push('event'),
  onLost: () => void heard.push('lost'),
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('window', globalThis);
  vi.stubGlobal('document', { baseURI: 'http://service/' });
  vi.stubGlobal('sessionStorage', { getItem: () => null, removeItem: () => {} });
  heard.length = 0;
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Hangs until its request is aborted. */
const hang = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

test('a connection without headers is aborted and opened again', async () => {
  let requests = 0;
  vi.stubGlobal('fetch', (_address: string, { signal }: { signal: AbortSignal }) => {
    requests++;
    return hang(signal);
  });
  const controller = new AbortController();
  const followed = follow('events', listener, controller.signal);
  await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
  expect([heard, requests]).toEqual([[], 1]);
  await vi.advanceTimersByTimeAsync(1000);
  expect([heard, requests]).toEqual([['lost'], 2]);
  controller.abort();
  await followed;
  expect(vi.getTimerCount()).toBe(0);
});

test('a connection without a first event is aborted', async () => {
  const answers = (_address: string, { signal }: { signal: AbortSignal }) => {
    const body = new ReadableStream({ start: (stream) => void hang(signal).catch((error) => stream.error(error)) });
    return Promise.resolve(new Response(body));
  };
  vi.stubGlobal('fetch', answers);
  const controller = new AbortController();
  const followed = follow('events', listener, controller.signal);
  await vi.advanceTimersByTimeAsync(SILENCE_MS);
  expect(heard).toEqual(['open', 'lost']);
  controller.abort();
  await followed;
});

test('waits between attempts leave no listeners', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('the service is unreachable')));
  const controller = new AbortController();
  const followed = follow('events', listener, controller.signal);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(heard.length).toBeGreaterThan(5);
  // The one listener belongs to the current wait.
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
  controller.abort();
  await followed;
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
});

test('the time in which a user enters a key is not silence', async () => {
  const keys: (string | undefined)[] = [];
  vi.stubGlobal('fetch', (_address: string, init: { headers: { authorization?: string }; signal: AbortSignal }) => {
    keys.push(init.headers.authorization);
    return keys.length === 1 ? Promise.resolve(new Response('{}', { status: 401 })) : hang(init.signal);
  });
  const controller = new AbortController();
  const followed = follow('events', listener, controller.signal);
  await vi.advanceTimersByTimeAsync(2 * SILENCE_MS);
  giveKey(undefined);
  await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
  expect([keys.length, heard]).toEqual([2, []]);
  controller.abort();
  await followed;
});
