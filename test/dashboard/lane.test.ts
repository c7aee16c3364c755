import { expect, test } from 'vitest';
import { Lane } from '../../dashboard/src/api/lane.ts';

test('the most urgent of the calls that wait come first, a few at a time, without those that were given up', async () => {
  const lane = new Lane(2);
  const order: number[] = [];
  let [running, most] = [0, 0];
  const call = (urgency: number, signal = new AbortController().signal): Promise<void> =>
    lane.run(
      async () => {
        order.push(urgency);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running--;
      },
      () => urgency,
      signal,
    );
  const given = new AbortController();
  const all = [5, 3, 4, 1, 2].map((urgency) => call(urgency));
  const up = call(0, given.signal);
  given.abort(new Error('out of sight'));
  await expect(up).rejects.toThrow('out of sight');
  await Promise.all(all);
  expect([order, most]).toEqual([[1, 2, 3, 4, 5], 2]);
  await expect(call(9, given.signal)).rejects.toThrow('out of sight');
});
