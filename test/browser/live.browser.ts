/** Time from the recording of a step to its point in the curve. */
import { expect, test, vi } from 'vitest';
import { Service } from '../service.ts';
import { TIMED } from '../timed.ts';
import { openDashboard, useBrowser, waitForStep } from './dashboard-page.ts';
import { pairOf, recordStep } from './recorded-runs.ts';

useBrowser();

const service = Service.start();

test('a run grows within a second of a step', TIMED, async () => {
  // Each attempt has its own run, because the test may be repeated.
  const live = { service, run: `live-${Date.now()}` };
  await recordStep(live, 1, [pairOf(3)]);
  const { page, complaints } = await openDashboard(service, `#/runs/${live.run}`);
  await page.locator('[data-connection=live]').waitFor();
  await waitForStep(page, 1);
  for (let step = 2; step <= 4; step++) {
    const begin = performance.now();
    await recordStep(live, step, [pairOf(3 / step)]);
    await waitForStep(page, step, 1000);
    expect(performance.now() - begin).toBeLessThan(1000);
  }
  expect(await page.getByRole('list', { name: 'Legend' }).textContent()).toContain('0.7500');
  // The counts are updated later than the curve.
  await vi.waitFor(async () => expect(await page.locator('.numbers').textContent()).toContain('Steps4'), 4000);
  expect(complaints).toEqual([]);
});
