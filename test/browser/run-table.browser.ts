/** Columns and groups of the list of runs. */
import { beforeAll, expect, test } from 'vitest';
import { Service } from '../service.ts';
import { findBarriers } from './axe.ts';
import { openDashboard, picture, useBrowser } from './dashboard-page.ts';
import { pairOf, recordStep } from './recorded-runs.ts';

useBrowser();

const service = Service.start();
beforeAll(async () => {
  const models = ['b, 10%', 'a', 'b, 10%', undefined];
  for (const [k, model] of models.entries()) {
    const body = JSON.stringify({ labels: { seed: k, ...(model !== undefined && { model }) } });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${service.url}/v1/runs/run-${k}`, { method: 'PUT', headers, body })).ok).toBe(true);
    await recordStep({ service, run: `run-${k}` }, 1, [pairOf(4 - k / 2)]);
  }
});

test('columns are chosen, those of labels too, and the address keeps them', async () => {
  const { page, complaints } = await openDashboard(service);
  await page.getByRole('row', { name: 'run-0' }).waitFor();
  await page.getByText('Columns', { exact: true }).click();
  for (const name of ['Status', 'Curve', 'Updated']) await page.getByRole('checkbox', { name, exact: true }).uncheck();
  await page.getByRole('checkbox', { name: 'model', exact: true }).check();
  await page.getByRole('checkbox', { name: 'Ranks', exact: true }).check();
  await page.keyboard.press('Escape');
  const heads = ['Compare', 'Run', 'model', 'Last loss', 'Best loss', 'Steps', 'Ranks'];
  expect(await page.getByRole('columnheader').allTextContents()).toEqual(heads);
  const row = await page.getByRole('row', { name: 'run-2' }).getByRole('cell').allTextContents();
  expect(row.slice(1)).toEqual(['b, 10%', '3.0000', '3.0000 at 1', '1', '1']);
  await page.reload();
  await page.getByRole('row', { name: 'run-0' }).waitFor();
  expect(await page.getByRole('columnheader').allTextContents()).toEqual(heads);
  expect(complaints).toEqual([]);
});

test('runs are grouped by a label, with the best loss of each group', async () => {
  const { page, complaints } = await openDashboard(service, '#/?sort=oldest');
  await page.getByRole('row', { name: 'run-0' }).waitFor();
  await page.getByRole('combobox', { name: 'Group by' }).selectOption('By model');
  await page.getByText('without model').waitFor();
  expect(await page.locator('.group-row').allTextContents()).toEqual([
    'model a 1 run shown, best loss 3.5000',
    'model b, 10% 2 runs shown, best loss 3.0000',
    'without model 1 run shown, best loss 2.5000',
  ]);
  expect(await page.locator('tbody th a').allTextContents()).toEqual(['run-1', 'run-0', 'run-2', 'run-3']);
  await page.reload();
  await page.getByText('without model').waitFor();
  await picture(page, 'runs-grouped');
  expect(await findBarriers(page)).toEqual([]);
  await page.setViewportSize({ width: 390, height: 800 });
  await picture(page, 'runs-grouped-phone');
  expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(390);
  expect(complaints).toEqual([]);
});
