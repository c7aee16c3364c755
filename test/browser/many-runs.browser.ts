/** The dashboard with more runs than it shows at once. */
import type { Page, Route } from 'playwright-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Service } from '../service.ts';
import { openDashboard, picture, useBrowser, waitForStep } from './dashboard-page.ts';
import { startProxy } from './prefix-proxy.ts';
import { pairOf, recordStep } from './recorded-runs.ts';

useBrowser();

const service = Service.start();
beforeAll(async () => {
  for (let k = 0; k < 120; k++) await recordStep({ service, run: `run-${k}` }, 1, [pairOf(3)]);
});

const LISTS = /\/v1\/runs\?/;

const searchBox = (page: Page) => page.locator('.page-actions').getByRole('searchbox');
const namesOf = (page: Page): Promise<string[]> => page.locator('tbody th a').allTextContents();
const menuOf = (page: Page) => page.locator('details.menu');
const headOf = (page: Page) => page.locator('.page-head').getByRole('status');

/** Holds requests until they are released. Later requests pass at once. */
async function hold(page: Page, urls: RegExp): Promise<() => void> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(urls, async (route) => {
    await released;
    // The page may have aborted the request.
    await route.continue().catch(() => undefined);
  });
  return release;
}

const fail = (route: Route): Promise<void> =>
  route.fulfill({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({ title: 'The history cannot be read', status: 503, detail: 'the disk is slow' }),
  });

const search = async (page: Page, text: string): Promise<void> => {
  await searchBox(page).fill(text);
};

describe('the list of 120 runs', () => {
  test('is searched, sorted and counted as a whole, and the address keeps it', async () => {
    const { page, complaints } = await openDashboard(service);
    await page.getByText('120 runs · 120 active').waitFor();
    await page.getByText('50 of 120 shown').waitFor();
    await search(page, 'RUN-11');
    await page.getByText('11 runs for “RUN-11” · 11 active').waitFor();
    expect(await namesOf(page)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((k) => `run-11${k}`).concat('run-11'));
    await page.getByRole('combobox', { name: 'Order' }).selectOption('By name');
    await page.getByRole('table', { name: 'Training runs that match “RUN-11”: by name' }).waitFor();
    expect(await namesOf(page)).toEqual(['run-11', ...Array.from({ length: 10 }, (_, k) => `run-11${k}`)]);
    expect(page.url()).toContain('#/?q=RUN-11&sort=name');
    await page.reload();
    await page.getByText('11 runs for “RUN-11”').waitFor();
    expect((await namesOf(page))[1]).toBe('run-110');
    await search(page, 'run-7x');
    await page.getByText('No run matches “run-7x”.').waitFor();
    expect(complaints).toEqual([]);
  });

  test('shows more runs, up to all of them', async () => {
    const { page } = await openDashboard(service, '#/?sort=oldest');
    await page.getByText('50 of 120 shown').waitFor();
    await page.getByRole('button', { name: 'Show more runs' }).click();
    await page.getByText('100 of 120 shown').waitFor();
    await page.getByRole('button', { name: 'Show more runs' }).click();
    await page.getByRole('row', { name: 'run-119' }).waitFor();
    expect(await namesOf(page)).toEqual(Array.from({ length: 120 }, (_, k) => `run-${k}`));
    expect(await page.getByText('shown').count()).toBe(0);
  });

  test('sends a search when nothing is typed for a moment, and drops an answer that comes too late', async () => {
    const { page } = await openDashboard(service);
    await page.getByText('120 runs').waitFor();
    const searches: string[] = [];
    page.on('request', (request) => {
      const sought = new URL(request.url()).searchParams.get('search');
      if (sought !== null && sought !== searches.at(-1)) searches.push(sought);
    });
    const release = await hold(page, /search=run-1&/);
    // In one turn of the page, however slow the machine is.
    await searchBox(page).evaluate((input: { value: string; dispatchEvent(event: Event): boolean }) => {
      for (const text of ['r', 'ru', 'run', 'run-', 'run-1']) {
        input.value = text;
        input.dispatchEvent(new Event('input', { bubbles: true }));
      }
    });
    await headOf(page).getByText('Searching…').waitFor();
    await expect.poll(() => searches).toEqual(['run-1']);
    expect(await page.locator('[aria-busy=true] tbody tr').count()).toBe(50);
    expect(await page.getByText(/shown|\d active|No run/).count()).toBe(0);
    await search(page, 'run-11');
    await page.getByText('11 runs for “run-11”').waitFor();
    release();
    await page.waitForTimeout(500);
    expect(await headOf(page).textContent()).toContain('11 runs for “run-11”');
    expect(await page.locator('tbody tr').count()).toBe(11);
    expect(searches).toEqual(['run-1', 'run-11']);
  });

  test('says that a search failed, and shows no runs of another one', async () => {
    const { page } = await openDashboard(service);
    await page.getByText('120 runs').waitFor();
    await page.route(/search=run-2/, fail);
    await search(page, 'run-2');
    await page.getByRole('alert').getByText('the disk is slow').waitFor();
    expect(await page.locator('tbody tr').count()).toBe(0);
    expect(await headOf(page).textContent()).toBe('');
    expect(await page.getByText(/No run|Nothing is recorded|shown/).count()).toBe(0);
    await page.unroute(/search=run-2/);
    await page.getByText('11 runs for “run-2”').waitFor({ timeout: 8000 });
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test('says of what time it is, once newer answers fail or are slow', async () => {
    const { page } = await openDashboard(service);
    await page.getByText('120 runs').waitFor();
    expect(await page.getByText(/^as of/).count()).toBe(0);
    const release = await hold(page, LISTS);
    await page.getByText(/^as of \d/).waitFor({ timeout: 20_000 });
    release();
    await page.getByText(/^as of/).waitFor({ state: 'detached' });
  });
});

describe('the comparison of a run with 119 others', () => {
  test('offers all of them, by search and page by page', async () => {
    const { page } = await openDashboard(service, '#/runs/run-5');
    await page.locator('summary', { hasText: 'Compare' }).click();
    await menuOf(page).getByText('50 of 120 shown').waitFor();
    expect(await menuOf(page).getByRole('checkbox').count()).toBe(50);
    await menuOf(page).getByRole('searchbox').fill('run-1');
    await menuOf(page).getByRole('checkbox', { name: 'run-10', exact: true }).check();
    await page.locator('summary', { hasText: 'Compare (1)' }).waitFor();
    await menuOf(page).getByRole('searchbox').fill('run-5');
    await menuOf(page).getByRole('checkbox', { name: 'run-59', exact: true }).waitFor();
    // The chosen run stays in the menu. The run of the page itself is not offered.
    expect((await menuOf(page).locator('label').allTextContents()).slice(0, 2)).toEqual(['run-10', 'run-59']);
    expect(await menuOf(page).getByRole('checkbox', { name: 'run-5', exact: true }).count()).toBe(0);
    await menuOf(page).getByRole('searchbox').fill('none such');
    await menuOf(page).getByText('No other run matches “none such”.').waitFor();
    await picture(page, 'compare-picker');
  });

  test('says that the runs cannot be read, and not that there are none', async () => {
    const { page } = await openDashboard(service, '#/runs/run-5');
    await waitForStep(page, 1);
    await page.route(LISTS, fail);
    await page.locator('summary', { hasText: 'Compare' }).click();
    await menuOf(page).getByRole('alert').getByText('the disk is slow').waitFor();
    expect(
      await menuOf(page)
        .getByText(/other run\b/)
        .count(),
    ).toBe(0);
    await page.unroute(LISTS);
    await menuOf(page).getByText('50 of 120 shown').waitFor({ timeout: 8000 });
    expect(await menuOf(page).getByRole('alert').count()).toBe(0);
  });
});

/** Statements about runs, which a page must not make before the answers have arrived. */
const CLAIMS =
  /finite|spike\.|No run|no other|No other|Nothing is|No step|\d (run|point|active)|Findings ?\d|3\.0000|–/;

test('120 runs, slow answers and a comparison together show nothing false', async () => {
  const { page, complaints } = await openDashboard(service, '#/evaluate');
  let release = await hold(page, /\/v1\/runs(\?|\/[^/]+(\?|$)|\/[^/]+\/steps\?)/);
  await page.goto(`${service.url}/#/runs/run-5?compare=run-110,run-7,missing`);
  await page.locator('[data-connection=live]').waitFor();
  await page.locator('summary', { hasText: 'Compare (3)' }).click();
  await menuOf(page).getByText('Loading…').waitFor();
  await page.waitForTimeout(500);
  expect((await page.locator('main').textContent())?.replace('Non-finite steps…', '')).not.toMatch(CLAIMS);
  expect(await page.locator('.chart-description').first().textContent()).toBe(
    'run-5: not loaded yet. run-110: not loaded yet. run-7: not loaded yet. missing: not loaded yet.',
  );
  expect(await menuOf(page).getByRole('checkbox').count()).toBe(3);
  release();
  await menuOf(page).getByText('50 of 120 shown').waitFor();
  await page.getByText('Every loss of run-5 is finite, and none is a spike.').waitFor();
  const legend = page.getByRole('list', { name: 'Legend' });
  await legend.getByText('cannot be read').waitFor();
  expect(await legend.locator('li').allTextContents()).toEqual([
    'run-53.0000',
    'run-1103.0000×',
    'run-73.0000×',
    'missingcannot be read×',
  ]);
  release = await hold(page, LISTS);
  await page.goto(`${service.url}/#/`);
  await headOf(page).getByText('Loading…').waitFor();
  await page.waitForTimeout(300);
  expect((await page.locator('main').textContent())?.replace('Non-finite steps…', '')).not.toMatch(CLAIMS);
  release();
  await page.getByText('120 runs · 120 active').waitFor();
  // The browser itself logs the 404.
  expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([]);
});

test('a run that could not be read is read again, and says so until then', async () => {
  const { page } = await openDashboard(service, '#/evaluate');
  await page.route(/\/steps\?/, fail);
  await page.goto(`${service.url}/#/runs/run-6?compare=run-7`);
  await page.getByRole('alert').getByText('the disk is slow').waitFor();
  await page.unroute(/\/steps\?/);
  await page.getByText('Every loss of run-6 is finite, and none is a spike.').waitFor({ timeout: 8000 });
  await page.getByRole('listitem').filter({ hasText: 'run-73.0000' }).waitFor({ timeout: 8000 });
  expect(await page.getByRole('alert').count()).toBe(0);
});

test('a run that is deleted is said to be, and not followed any more', async () => {
  await recordStep({ service, run: 'deleted' }, 1, [pairOf(3)]);
  const { page, complaints } = await openDashboard(service, '#/runs/deleted');
  await waitForStep(page, 1);
  await page.locator('[data-connection=live]').waitFor();
  // A request in flight while the run is deleted gets a 404, which is not a fault of the page.
  await page.waitForTimeout(1500);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  expect((await fetch(`${service.url}/v1/runs/deleted`, { method: 'DELETE' })).status).toBe(204);
  await page.locator('[data-connection=deleted]').waitFor();
  await page.waitForTimeout(2000);
  expect(asked).toEqual([]);
  expect(await page.locator('[data-connection]').textContent()).toBe('this run was deleted');
  expect(complaints).toEqual([]);
});

test('a run that is active no longer is said to be idle', async () => {
  const { page } = await openDashboard(service, '#/evaluate');
  await page.clock.install();
  await page.goto(`${service.url}/#/runs/run-9`);
  await page.locator('.run-head .status.active').waitFor();
  await page.route(/\/v1\/runs\/run-9$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...((await response.json()) as object), status: 'idle' } });
  });
  await page.clock.runFor(61_000);
  await page.locator('.run-head .status.idle').waitFor();
  expect(await page.locator('.run-head .status').textContent()).toBe('idle');
});

test('all of it works below a path prefix', async () => {
  const proxy = await startProxy(() => service);
  onTestFinished(() => proxy.close());
  const { page, complaints } = await openDashboard(proxy);
  await page.getByText('120 runs · 120 active').waitFor();
  await search(page, 'run-33');
  await page.getByRole('link', { name: 'run-33' }).click();
  await waitForStep(page, 1);
  await page.locator('summary', { hasText: 'Compare' }).click();
  await menuOf(page).getByRole('searchbox').fill('run-44');
  await menuOf(page).getByRole('checkbox', { name: 'run-44' }).check();
  await page.getByRole('list', { name: 'Legend' }).getByText('run-44').waitFor();
  await recordStep({ service, run: 'run-33' }, 2, [pairOf(2)]);
  await waitForStep(page, 2);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'CSV' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^run-33.*\.csv$/);
  expect(page.url()).toContain('/loss/#/runs/run-33?compare=run-44');
  expect(complaints).toEqual([]);
});
