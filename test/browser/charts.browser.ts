/** Interaction with the charts of runs. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Service } from '../service.ts';
import { chartOf, openDashboard, picture, useBrowser, waitForStep } from './dashboard-page.ts';
import { pairOf, recordItems, recordRun } from './recorded-runs.ts';

useBrowser();

const service = Service.start();
beforeAll(async () => {
  await recordRun({ service, run: 'first' });
  await recordRun({ service, run: 'second' }, 1.5);
  const items = Array.from({ length: 200 }, (_, k) => ({ step: k + 1, ...pairOf(k % 50 === 7 ? 900 : 2 + (k % 5)) }));
  await recordItems({ service, run: 'outliers' }, items);
});

/** Resolves to the address hash after two frames. The page updates it when it draws, which a busy machine does later. */
const HASH = `new Promise((resolve) => {
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(location.hash)));
})`;

/** Settings in the address. They are read in the page, because the test driver learns of a new address later. */
const parametersOf = async (page: Page): Promise<URLSearchParams> =>
  new URLSearchParams(((await page.evaluate(HASH)) as string).split('?')[1]);
const numberIn = async (page: Page, name: string): Promise<number> =>
  Number((await parametersOf(page)).get(name) ?? NaN);
const heightIn = async (page: Page): Promise<number> => (await numberIn(page, 'high')) - (await numberIn(page, 'low'));
const overOf = (page: Page) => page.locator('.u-over').first();

/** Drags over the chart. Positions are fractions of its width and its height. */
async function drag(page: Page, from: [number, number], to: [number, number], key?: 'Shift'): Promise<void> {
  const { x, y, width, height } = (await overOf(page).boundingBox())!;
  if (key !== undefined) await page.keyboard.down(key);
  await page.mouse.move(x + from[0] * width, y + from[1] * height);
  await page.mouse.down();
  await page.mouse.move(x + to[0] * width, y + to[1] * height, { steps: 5 });
  await page.mouse.up();
  if (key !== undefined) await page.keyboard.up(key);
}

describe('a chart', () => {
  test('is zoomed along one axis or both, moved, and reset by a double click that selects nothing', async () => {
    const { page, complaints } = await openDashboard(service, '#/runs/first');
    await waitForStep(page, 60);
    await drag(page, [0.2, 0.3], [0.25, 0.8]);
    expect([...(await parametersOf(page)).keys()]).toEqual(['low', 'high']);
    const height = await heightIn(page);
    expect(height).toBeGreaterThan(0);
    await drag(page, [0.3, 0.4], [0.6, 0.42]);
    expect([...(await parametersOf(page)).keys()]).toEqual(['from', 'to', 'low', 'high']);
    const [from, to, low] = await Promise.all(['from', 'to', 'low'].map((name) => numberIn(page, name)));
    await drag(page, [0.5, 0.5], [0.3, 0.7], 'Shift');
    expect(await numberIn(page, 'from')).toBeGreaterThan(from!);
    expect((await numberIn(page, 'to')) - (await numberIn(page, 'from'))).toBeCloseTo(to! - from!, -1);
    expect(await numberIn(page, 'low')).toBeGreaterThan(low!);
    expect(await heightIn(page)).toBeCloseTo(height, 1);
    await overOf(page).dblclick({ position: { x: 200, y: 100 } });
    await page.waitForTimeout(500);
    expect([...(await parametersOf(page))]).toEqual([]);
    await overOf(page).click({ position: { x: 200, y: 100 } });
    await page.getByRole('heading', { name: /^Step \d+$/ }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('is zoomed and moved by keyboard and by buttons', async () => {
    const { page } = await openDashboard(service, '#/runs/first');
    await waitForStep(page, 60);
    await chartOf(page).focus();
    await page.keyboard.press('i');
    const height = await heightIn(page);
    await page.keyboard.press('o');
    expect(await heightIn(page)).toBeCloseTo(2 * height, 1);
    const low = await numberIn(page, 'low');
    await page.keyboard.press('Shift+ArrowUp');
    expect(await numberIn(page, 'low')).toBeGreaterThan(low);
    await page.getByRole('button', { name: 'Move down' }).click();
    expect(await numberIn(page, 'low')).toBeCloseTo(low, 1);
    await page.getByRole('button', { name: 'Zoom in' }).click();
    const to = await numberIn(page, 'to');
    await page.getByRole('button', { name: 'Move left' }).click();
    expect(await numberIn(page, 'to')).toBeLessThan(to);
    await page.getByRole('button', { name: 'Move right' }).click();
    expect(await numberIn(page, 'to')).toBe(to);
    await page.getByRole('button', { name: 'Reset zoom' }).click();
    expect([...(await parametersOf(page))]).toEqual([]);
  });

  test('leaves outliers out of sight, and says so', async () => {
    const { page } = await openDashboard(service, '#/runs/outliers');
    await waitForStep(page, 200);
    await page.getByRole('switch', { name: 'Clip outliers' }).check();
    await page
      .getByText(/Outliers clipped: 4 of 200 drawn points lie outside \d+\.\d+ … \d\.\d+, the 5th to 95th/)
      .waitFor();
    expect(page.url()).toContain('clip=1');
    await picture(page, 'clipped');
    await page.goto(`${service.url}/#/runs/second?clip=1&from=20&to=39`);
    await page.getByText('No outliers are clipped.').waitFor();
  });

  test('tells the smoothed value beside the other', async () => {
    const { page } = await openDashboard(service, '#/runs/first?smooth=0.9&compare=second');
    await waitForStep(page, 60);
    await page.getByText('second: loss').waitFor({ state: 'attached' });
    await chartOf(page).focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    const [head, first, second] = await page.locator('.tooltip tr').allTextContents();
    expect(head).toBe('losssmoothed');
    const [loss, smoothed] = /first(\d+\.\d{4})(\d+\.\d{4})/.exec(first!)!.slice(1).map(Number);
    expect(smoothed).toBeGreaterThan(loss!);
    expect(second).toMatch(/second\d+\.\d{4}\d+\.\d{4}/);
  });

  test('is saved as a picture', async () => {
    const { page, complaints } = await openDashboard(service, '#/runs/first?compare=second');
    await waitForStep(page, 60);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download as PNG' }).first().click(),
    ]);
    expect(download.suggestedFilename()).toBe('first-Loss.png');
    const bytes = readFileSync(await download.path());
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');
    const { width } = (await chartOf(page).boundingBox())!;
    expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([Math.round(width), 400 + 3 * 22 + 16]);
    expect(complaints).toEqual([]);
  });

  test('is passed on by a link with all settings', async () => {
    const { page } = await openDashboard(service, '#/runs/first?smooth=0.5&clip=1', {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await waitForStep(page, 60);
    await page.getByRole('button', { name: 'Copy link' }).click();
    await page.getByText('Copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(page.url());
  });
});

test('the findings of every compared run are listed', async () => {
  const { page } = await openDashboard(service, '#/runs/first?compare=second,outliers');
  await vi.waitFor(
    async () =>
      expect(await page.locator('.findings h3').allTextContents()).toEqual([' first 2', ' second 2', ' outliers 3']),
    8000,
  );
  await page
    .locator('.finding-lists > div')
    .nth(1)
    .getByRole('button', { name: /Step 50/ })
    .click();
  await page.locator('.step-detail').getByText('second ·').waitFor();
  expect(page.url()).toContain('step=50&step_of=second');
  expect(await page.locator('.findings [aria-pressed=true]').count()).toBe(1);
});
