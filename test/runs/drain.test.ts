import { expect, test } from 'vitest';
import { Drain } from '../../src/runs/drain.ts';

test('a drain runs once at a time, and once more after a request that came meanwhile', async () => {
  let [running, runs] = [0, 0];
  const drain = new Drain(async () => {
    expect(++running).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running--;
    runs++;
  });
  drain.request();
  await drain.settled();
  expect(runs).toBe(1);
  drain.request();
  await new Promise((resolve) => setTimeout(resolve, 2));
  for (let k = 0; k < 5; k++) drain.request();
  await drain.settled();
  expect(runs).toBe(3);
});

test('a drain leaves no request behind, at whatever moment after the work it comes', async () => {
  for (let microtasks = 0; microtasks < 12; microtasks++) {
    const waiting: number[] = [];
    let done = 0;
    let isEmpty = (): void => undefined;
    const drain = new Drain(async () => {
      for (; waiting.length > 0; waiting.shift()) done++;
      isEmpty();
    });
    const first = new Promise<void>((resolve) => {
      isEmpty = resolve;
    });
    waiting.push(1);
    drain.request();
    await first;
    for (let k = 0; k < microtasks; k++) await Promise.resolve();
    waiting.push(2);
    drain.request();
    await drain.settled();
    expect(done, `after ${microtasks} microtasks`).toBe(2);
  }
});
