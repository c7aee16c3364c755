/** Scalars of runs beside their losses. */
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Service } from '../service.ts';
import { findBarriers } from './axe.ts';
import { openDashboard, picture, placeOfColour, useBrowser, waitForStep } from './dashboard-page.ts';
import { pairOf, recordItems } from './recorded-runs.ts';

useBrowser();

const service = Service.start();

/** Layers whose gradients are recorded. */
const LAYERS = 40;

/** A step of two ranks with its scalars; the norm of layer 3 is a spike at step 40, and NaN on rank 1 at step 50. */
function itemsOf(step: number, floor: number): object[] {
  return [0, 1].map((rank) => {
    const norms = Array.from({ length: LAYERS }, (_, k) => {
      const value = 1 + k / 10 + (step % 3) * 0.01 + rank * 0.1 + (k === 3 && step === 40 ? 9 : 0);
      return [`grad_norm/layers.${k}`, k === 3 && step === 50 && rank === 1 ? 'NaN' : value];
    });
    const scalars = { lr: 1e-3 * (1 - step / 100), 'eval/loss': floor + (step % 2), ...Object.fromEntries(norms) };
    return { step, rank, ...pairOf(floor + 4 * Math.exp(-step / 4)), scalars };
  });
}

beforeAll(async () => {
  for (const [run, floor] of [
    ['scaled', 2],
    ['other', 1.5],
  ] as const) {
    for (let step = 1; step <= 60; step += 20) {
      const items = Array.from({ length: 20 }, (_, k) => itemsOf(step + k, floor)).flat();
      await recordItems({ service, run }, items);
    }
  }
});

const panelOf = (page: Page, name: string) => page.locator(`[data-scalar="${name}"]`);
const chartOf = (page: Page, name: string) => page.getByRole('slider', { name, exact: true });
const showScalars = (page: Page) => page.locator('.scalars').evaluate((section) => section.scrollIntoView());

/** Names of the scalars that a page reads. */
function namesRead(page: Page): Set<string> {
  const names = new Set<string>();
  page.on('request', (request) => {
    const name = /\/scalars\/([^?]+)/.exec(request.url())?.[1];
    if (name !== undefined) names.add(decodeURIComponent(name));
  });
  return names;
}

describe('scalars', () => {
  test('stand below the loss in groups, and only those in sight are read', async () => {
    const { page, complaints } = await openDashboard(service, '#/runs/scaled');
    const read = namesRead(page);
    await waitForStep(page, 60);
    await page.getByRole('heading', { name: 'Scalars 42' }).waitFor();
    const groups = await page.locator('.scalar-group > summary').allTextContents();
    expect(groups).toEqual(['Without a group 1', 'eval 1', `grad_norm ${LAYERS}`]);
    await showScalars(page);
    await chartOf(page, 'lr').waitFor();
    expect(read.has('grad_norm/layers.39')).toBe(false);
    const heights = await page.locator('.panel').evaluateAll((all) => all.map(({ clientHeight }) => clientHeight));
    expect(new Set(heights).size).toBe(1);
    await panelOf(page, 'grad_norm/layers.39').scrollIntoViewIfNeeded();
    await chartOf(page, 'grad_norm/layers.39').waitFor();
    expect(read.has('grad_norm/layers.20')).toBe(false);
    expect(await panelOf(page, 'grad_norm/layers.39').textContent()).toContain('layers.39');
    expect(complaints).toEqual([]);
  });

  test('are searched and closed by groups, and the address keeps both', async () => {
    const { page } = await openDashboard(service, '#/runs/scaled');
    await page.getByRole('searchbox', { name: 'Search names of scalars' }).fill('layers.3');
    await vi.waitFor(async () => expect(await page.locator('.panel').count()).toBe(11), 5000);
    const names = await page.locator('.panel').evaluateAll((all) => all.map((one) => one.getAttribute('data-scalar')));
    expect(names.slice(0, 3)).toEqual(['grad_norm/layers.3', 'grad_norm/layers.30', 'grad_norm/layers.31']);
    await page.locator('.scalar-group > summary').click();
    await vi.waitFor(() => expect(page.url()).toMatch(/scalars=layers\.3&closed=grad_norm$/), 2000);
    await page.reload();
    await page.locator('.scalar-group > summary').waitFor();
    expect(await page.locator('.scalar-group[open]').count()).toBe(0);
    await page.getByRole('searchbox', { name: 'Search names of scalars' }).fill('nothing');
    await page.getByText('No scalar matches “nothing”.').waitFor();
  });

  test('are marked by the rule of losses, with the range of ranks', async () => {
    const { page } = await openDashboard(service, '#/runs/scaled?scalars=layers.3');
    await waitForStep(page, 60);
    await showScalars(page);
    const name = 'grad_norm/layers.3';
    await chartOf(page, name).focus();
    await page.keyboard.press('p');
    expect(await chartOf(page, name).getAttribute('aria-valuetext')).toBe(`step 50, ${name} NaN`);
    expect(await panelOf(page, name).locator('.tooltip').textContent()).toContain('✕ not finite');
    await page.keyboard.press('p');
    expect(await chartOf(page, name).getAttribute('aria-valuetext')).toMatch(/^step 40, .* 10\.\d+, spike$/);
    expect(await panelOf(page, name).locator('.tooltip').textContent()).toMatch(/2 ranks10\.\d+ … 10\.\d+◆ spike/);
    expect(await placeOfColour(page, '--bad', `[data-scalar="${name}"]`)).not.toBeNull();
    expect(await placeOfColour(page, '--bad', '[data-scalar="grad_norm/layers.30"]')).toBeNull();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Step 40', exact: true }).waitFor();
  });

  test('are compared in the colours of the runs, and zoomed with the loss', async () => {
    const { page, complaints } = await openDashboard(service, '#/runs/scaled?compare=other&scalars=eval');
    await waitForStep(page, 60);
    await showScalars(page);
    const described = () => panelOf(page, 'eval/loss').locator('.chart-description').textContent();
    await vi.waitFor(
      async () => expect(await described()).toMatch(/scaled: .* lowest 2\.0000 .* other: .* lowest 1\.5000/),
      5000,
    );
    for (const colour of ['--curve-0', '--curve-1'])
      expect(await placeOfColour(page, colour, '[data-scalar="eval/loss"]')).not.toBeNull();
    const refetched = page.waitForRequest(/scalars\/eval%2Floss\?from=\d+&to=\d+/);
    await chartOf(page, 'eval/loss').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('+');
    await refetched;
    expect(page.url()).toMatch(/from=1&to=31/);
    await picture(page, 'scalars-compared');
    await page.keyboard.press('0');
    expect(page.url()).not.toContain('from=');
    expect(complaints).toEqual([]);
  });

  test('grow while somebody looks', async () => {
    const live = { service, run: 'growing' };
    await recordItems(live, [{ step: 1, ...pairOf(3), scalars: { lr: 0.5 } }]);
    const { page } = await openDashboard(service, '#/runs/growing');
    await waitForStep(page, 1);
    await showScalars(page);
    await chartOf(page, 'lr').waitFor();
    await recordItems(live, [{ step: 2, ...pairOf(2), scalars: { lr: 0.25, fresh: 1 } }]);
    await vi.waitFor(async () => expect(await chartOf(page, 'lr').getAttribute('aria-valuemax')).toBe('2'), 8000);
    await panelOf(page, 'fresh').waitFor();
    expect(await panelOf(page, 'lr').locator('h4').textContent()).toContain('0.2500');
  });

  test('shut nobody out', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await openDashboard(service, '#/runs/scaled?compare=other', { colorScheme });
      await waitForStep(page, 60);
      await showScalars(page);
      await chartOf(page, 'lr').waitFor();
      expect(await findBarriers(page)).toEqual([]);
    }
  });
});

describe('a resumed run', () => {
  beforeAll(async () => {
    const steps = (first: number, attempt: number, loss: number) =>
      Array.from({ length: 31 - first }, (_, k) => ({
        ...{ step: first + k, attempt, ...pairOf(loss), scalars: { lr: (loss + (k % 2)) / 10 } },
      }));
    await recordItems({ service, run: 'resumed' }, steps(1, 0, 3));
    await recordItems({ service, run: 'resumed' }, steps(16, 1, 2));
  });

  test('is one curve, and what it left behind is grey', async () => {
    const { page } = await openDashboard(service, '#/runs/resumed');
    await waitForStep(page, 30);
    await showScalars(page);
    await chartOf(page, 'lr').waitFor();
    const described = () => panelOf(page, 'lr').locator('.chart-description').textContent();
    await vi.waitFor(async () => {
      expect(await described()).toMatch(/resumed: lr 0\.3000 at step 1 to 0\.2000 at step 30/);
      expect(await described()).toMatch(/resumed, attempt 0: lr 0\.3000 at step 15 to 0\.4000 at step 30/);
    }, 5000);
    expect(await placeOfColour(page, '--curve-old', '[data-scalar="lr"]')).not.toBeNull();
    await chartOf(page, 'lr').focus();
    await page.keyboard.press('End');
    const tooltip = await panelOf(page, 'lr').locator('.tooltip').textContent();
    expect(tooltip).toContain('resumed0.2000');
    expect(tooltip).toContain('resumed, attempt 00.4000');
    await picture(page, 'resumed');
    await page.getByRole('switch', { name: 'Earlier attempts' }).uncheck();
    await showScalars(page);
    await chartOf(page, 'lr').waitFor();
    await vi.waitFor(async () => expect(await described()).not.toContain('attempt 0'), 2000);
    expect(page.url()).toContain('branches=0');
  });
});
