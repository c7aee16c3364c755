/** Pages of the largest history that the service is designed for: each can be used within a second. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newFolder } from '../keys.ts';
import { Service } from '../service.ts';
import { openDashboard, useBrowser, waitForStep } from './dashboard-page.ts';
import { seedHistory } from './seeded-history.ts';

useBrowser();

const folder = newFolder();
const store = join(folder, 'history.db');
beforeAll(() => seedHistory(store, { runs: 10_000, steps: 1_000_000, scalars: 200, points: 100_000 }), 600_000);
const service = Service.start({ store });
afterAll(() => rmSync(folder, { recursive: true }));

const MOST_MS = 1000;
/** Number of loads of a page. Other work of the machine may slow some of them. */
const LOADS = 4;

/** Milliseconds of the fastest use of a page. @param use acts on the page and waits for the result */
async function fastest(name: string, page: Page, use: (k: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let k = 0; k < LOADS; k++) {
    const begin = performance.now();
    await use(k);
    times.push(Math.round(performance.now() - begin));
    await page.waitForTimeout(300);
  }
  console.info(`${name}: ${times.join(', ')} ms`);
  return Math.min(...times);
}

/** Loads a page from scratch: a navigation within the same document would keep its state. */
async function load(page: Page, hash: string): Promise<void> {
  await page.goto('about:blank');
  await page.goto(`${service.url}/${hash}`);
}

test('the list of 10,000 runs is shown and searched', async () => {
  const { page } = await openDashboard(service);
  const shown = await fastest('list', page, async () => {
    await load(page, '#/');
    await page.getByText('10,001 runs').waitFor();
    await page.getByRole('row', { name: 'many-10000' }).waitFor();
  });
  const searched = await fastest('search', page, async (k) => {
    await page.getByRole('searchbox').fill(`many-123${k}`);
    await page.getByText(`1 run for “many-123${k}”`).waitFor();
  });
  expect([shown, searched].every((time) => time <= MOST_MS)).toBe(true);
});

test('a run of 1,000,000 steps is drawn, and zoomed into at full resolution', async () => {
  const { page } = await openDashboard(service);
  const drawn = await fastest('run', page, async () => {
    await load(page, '#/runs/long');
    await waitForStep(page, 999_999);
  });
  const zoomed = await fastest('zoom', page, async (k) => {
    const from = 100_000 * (k + 1);
    const read = page.waitForResponse(new RegExp(`/steps\\?from=${from}&`));
    await page.evaluate(`location.hash = '#/runs/long?from=${from}&to=${from + 500}'`);
    const { steps } = (await (await read).json()) as { steps: unknown[] };
    expect(steps.length).toBe(501);
  });
  expect([drawn, zoomed].every((time) => time <= MOST_MS)).toBe(true);
});

test('six of 200 scalars of 100,000 points are drawn where they come in sight', async () => {
  const { page } = await openDashboard(service, '#/runs/long');
  await waitForStep(page, 999_999);
  await page.getByRole('heading', { name: 'Scalars 200' }).waitFor();
  const scalars = await fastest('scalars', page, async (k) => {
    const panels = [0, 1, 2, 3, 4, 5].map((p) => page.locator(`[data-scalar="grad_norm/layers.${12 + 24 * k + p}"]`));
    await panels[0]!.evaluate((panel) => panel.scrollIntoView());
    for (const panel of panels) await panel.getByRole('slider').waitFor();
  });
  const found = await fastest('search of scalars', page, async (k) => {
    await page.getByRole('searchbox', { name: 'Search names of scalars' }).fill(`layers.${11 + 24 * k}`);
    await page
      .locator(`[data-scalar="grad_norm/layers.${11 + 24 * k}"]`)
      .getByRole('slider')
      .waitFor();
  });
  expect([scalars, found].every((time) => time <= MOST_MS)).toBe(true);
});
