/** Every page on a large and on a small screen, in both themes: checks accessibility, and takes pictures to look at. */
import { mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Service } from '../service.ts';
import { findBarriers } from './axe.ts';
import { chartOf, openDashboard, useBrowser, waitForStep } from './dashboard-page.ts';
import { BROKEN, pairOf, recordItems, recordRun, recordStep } from './recorded-runs.ts';

/** Folder of the pictures. `npm run pictures` writes them to docs/images. */
const FOLDER = process.env['PICTURES'] ?? new URL('../../test-results/pictures', import.meta.url).pathname;

/** Height of the chart, the findings and the selected step. */
const UPPER_PIXELS = 1340;

useBrowser();

const service = Service.start();

/** Scalars of a step, which differ from run to run. */
const scalarsOf = (step: number, scale: number): object => ({
  lr: 3e-4 * Math.min(1, step / 10) * (1 - step / 80),
  tokens_per_second: 9000 * scale + 300 * Math.sin(step / 3),
  'eval/loss': scale * (2 + 3 * Math.exp(-step / 12)),
  ...Object.fromEntries(
    [0, 1, 2].map((k) => [
      `grad_norm/layers.${k}`,
      scale * (1 + k / 3 + Math.cos(step / (4 + k)) / 5 + (step === 40 ? 4 : 0)),
    ]),
  ),
});

beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  for (const [run, floor] of [
    ['llama-7b/lr=3e-4', 2],
    ['llama-7b/lr=1e-4', 1.5],
  ] as const) {
    const recording = { service, run: encodeURIComponent(run) };
    await recordRun(recording, floor);
    const steps = Array.from({ length: 60 }, (_, k) => k + 1);
    const ranks = (step: number) =>
      [1, 1.1].map((ratio, rank) => ({ step, rank, scalars: scalarsOf(step, ratio * floor) }));
    await recordItems(recording, steps.flatMap(ranks));
  }
  const resumed = { service, run: 'resumed' };
  const loss = (step: number, attempt: number): number =>
    2 + 3 * Math.exp(-step / 9) + (attempt === 0 && step > 25 ? 1 : 0);
  const attempt = (number: number, first: number) =>
    Array.from({ length: 41 - first }, (_, k) => ({
      step: first + k,
      attempt: number,
      ...pairOf(loss(first + k, number)),
    }));
  await recordItems(resumed, attempt(0, 1));
  await recordItems(resumed, attempt(1, 20));
  await recordStep({ service, run: 'broken' }, 1, [BROKEN]);
});

/** Pages, with the preparation before their check. */
const PAGES: Record<string, { hash: string; prepare: (page: Page) => Promise<void> }> = {
  runs: {
    hash: '#/',
    prepare: (page) => page.getByRole('row', { name: 'resumed' }).waitFor(),
  },
  run: {
    hash: '#/runs/llama-7b%2Flr%3D3e-4?compare=llama-7b/lr%3D1e-4&smooth=0.6&step=50',
    prepare: async (page) => {
      await waitForStep(page, 60);
      await page.getByText('nan_logit').waitFor();
      await chartOf(page).focus();
      await chartOf(page).press('p');
    },
  },
  resumed: {
    hash: '#/runs/resumed?clip=1',
    prepare: (page) => waitForStep(page, 40),
  },
  evaluate: {
    hash: '#/evaluate',
    prepare: async (page) => {
      await page.getByText(/^Options/).click();
      await page.getByRole('button', { name: 'Try a sample' }).click();
      await page.getByText('nan_logit').waitFor();
    },
  },
};

describe.each([1440, 390])('on a screen of %i pixels', (width) => {
  describe.each(['light', 'dark'] as const)('that is %s', (colorScheme) => {
    test.each(Object.entries(PAGES))('the page %s', async (name, { hash, prepare }) => {
      const { page, complaints } = await openDashboard(service, hash, {
        ...{
          viewport: { width, height: 900 },
          colorScheme,
          reducedMotion: 'reduce',
          isMobile: width < 500,
          hasTouch: width < 500,
        },
      });
      await prepare(page);
      // Only visible panels are drawn: make the whole page visible.
      const height = (await page.evaluate('document.scrollingElement.scrollHeight')) as number;
      await page.setViewportSize({ width, height });
      for (const panel of await page.locator('.panel').all()) await panel.getByRole('slider').waitFor();
      const path = `${FOLDER}/${name}-${width}-${colorScheme}.jpg`;
      await page.screenshot({ path, fullPage: true, type: 'jpeg', quality: 60 });
      // For the README, which shows the upper part.
      if (name === 'run' && width > 500 && colorScheme === 'light') {
        const clip = { x: 0, y: 0, width, height: UPPER_PIXELS };
        await page.screenshot({ path: path.replace('.jpg', '-upper.jpg'), clip, type: 'jpeg', quality: 75 });
      }
      expect(await findBarriers(page)).toEqual([]);
      expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(width);
      expect(complaints).toEqual([]);
    });
  });
});
