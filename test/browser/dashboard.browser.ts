import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { FOREIGN_FILES } from '../foreign-files.ts';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { MSGPACK, Service, encodeRequest } from '../service.ts';
import { findBarriers } from './axe.ts';
import { chartOf, openDashboard, picture, placeOfColour, useBrowser, waitForStep } from './dashboard-page.ts';
import { Line } from './line.ts';
import { BROKEN, BROKEN_CAUSE, INFINITE, pairOf, recordRun, recordStep } from './recorded-runs.ts';

useBrowser();

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const apiKeysFile = join(folder, 'keys.json');
const keys = writeKeyOfEachScope(apiKeysFile);

const service = Service.start();
beforeAll(async () => {
  await recordRun({ service, run: 'first' });
  await recordRun({ service, run: 'second' }, 1.5);
});

const legendOf = (page: Page) => page.getByRole('list', { name: 'Legend' });
const tooltipOf = (page: Page) => page.locator('.tooltip');

/** The file that a click on a link downloads. */
async function downloaded(page: Page, link: string): Promise<{ name: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: link }).click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
}

describe('the list of runs', () => {
  test('shows how each is doing', async () => {
    const { page, complaints } = await openDashboard(service);
    const row = page.getByRole('row', { name: 'first' });
    await row.waitFor();
    for (const text of ['active', '1 non-finite', 'model small', '60']) expect(await row.textContent()).toContain(text);
    expect(await row.getByRole('img').getAttribute('aria-label')).toMatch(/^Loss from \d/);
    const [last, best] = await row.locator('td.number').allTextContents();
    expect([last, best]).toEqual([
      expect.stringMatching(/^2\.0\d+$/) as string,
      expect.stringMatching(/^2\.\d{4} at \d+$/) as string,
    ]);
    await picture(page, 'runs');
    expect(complaints).toEqual([]);
  });

  test('has what is recorded while somebody looks, and filters it', async () => {
    const { page } = await openDashboard(service);
    await page.getByRole('row', { name: 'first' }).waitFor();
    await recordStep({ service, run: 'newcomer' }, 1, [pairOf(3.5)]);
    await page.getByRole('row', { name: 'newcomer' }).waitFor({ timeout: 5000 });
    await page.getByRole('searchbox').fill('MODEL=small first');
    await page.getByText('1 run for “MODEL=small first” · ').waitFor();
    expect(await page.locator('tbody tr').count()).toBe(1);
    expect(page.url()).toContain('?q=');
  });

  test('puts runs beside each other', async () => {
    const { page } = await openDashboard(service);
    await page.getByRole('checkbox', { name: 'Compare first' }).check();
    await page.getByRole('checkbox', { name: 'Compare second' }).check();
    await page.getByRole('button', { name: 'Compare 2' }).click();
    await vi.waitFor(async () => expect(await legendOf(page).textContent()).toMatch(/first.*second/), 5000);
    expect(page.url()).toContain('#/runs/first?compare=second');
  });
});

describe('a run', () => {
  test('goes on where it was when the connection was lost', async () => {
    const broken = { service, run: 'broken-line' };
    await recordStep(broken, 1, [pairOf(3)]);
    const line = await Line.to(service.url);
    onTestFinished(() => line.close());
    const { page } = await openDashboard(line, '#/runs/broken-line');
    await waitForStep(page, 1);
    await page.locator('[data-connection=live]').waitFor();
    const requests: Record<string, string>[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/events')) requests.push(request.headers());
    });
    await line.cut();
    await page.locator('[data-connection=lost]').waitFor({ timeout: 10_000 });
    await recordStep(broken, 2, [pairOf(2)]);
    await line.mend();
    await waitForStep(page, 2, 10_000);
    expect(requests.at(-1)!['last-event-id']).toMatch(/^\d+$/);
  });

  test('marks what is not finite, and says why', async () => {
    const { page } = await openDashboard(service, '#/runs/first');
    await waitForStep(page, 60);
    const place = await placeOfColour(page, '--bad');
    expect(place).not.toBeNull();
    await page.mouse.move(place!.x, place!.y);
    const text = await tooltipOf(page).textContent();
    expect(text).toContain('Step 50');
    expect(text).toContain(BROKEN_CAUSE);
    expect(text).toContain('step 50, rank 1: NaN in 1 of 2 rows; first at row 1, class 1');
    await picture(page, 'run-nan');
    const spike = await placeOfColour(page, '--warn');
    await page.mouse.move(spike!.x, spike!.y);
    expect(await tooltipOf(page).textContent()).toMatch(/Step 40.*spike/);
  });

  test('marks an infinite loss, and one that comes before any other', async () => {
    await recordStep({ service, run: 'infinite' }, 1, [INFINITE]);
    await recordStep({ service, run: 'infinite' }, 2, [pairOf(2)]);
    const { page, complaints } = await openDashboard(service, '#/runs/infinite');
    await waitForStep(page, 2);
    expect(await placeOfColour(page, '--bad')).not.toBeNull();
    expect(await page.locator('.findings').textContent()).toContain('+Inf');
    expect(complaints).toEqual([]);
  });

  test('shows a step that is clicked, down to its micro-batches', async () => {
    const { page } = await openDashboard(service, '#/runs/first');
    await waitForStep(page, 60);
    const place = await placeOfColour(page, '--bad');
    await page.mouse.click(place!.x, place!.y);
    await page.getByRole('heading', { name: 'Step 50' }).waitFor();
    const detail = page.locator('.step-detail');
    await detail.getByText('nan_logit').waitFor();
    expect(await detail.locator('.ranks > tbody > tr').first().textContent()).toMatch(/^0[12]\.\d{4}/);
    await detail.getByText('1 location').click();
    expect(await detail.textContent()).toContain('NaN among the logits nan_logit in 1 row, first at row 1, class 1');
    expect(page.url()).toContain('step=50');
    await picture(page, 'run-detail');
  });

  test('keeps every setting in the address', async () => {
    const { page, complaints } = await openDashboard(service, '#/runs/first');
    await waitForStep(page, 60);
    await page.getByRole('switch', { name: 'Log scale' }).check();
    await page.getByRole('switch', { name: 'Rank band' }).uncheck();
    await page.getByRole('slider', { name: 'Smoothing' }).fill('0.8');
    await page.getByRole('radio', { name: 'Relative' }).check({ force: true });
    await page.getByText('Compare', { exact: true }).click();
    await page.getByRole('checkbox', { name: 'second' }).check();
    await vi.waitFor(async () => expect(await legendOf(page).textContent()).toContain('second'), 5000);
    expect(page.url()).toContain('#/runs/first?compare=second&x=relative&log=1&smooth=0.8&band=0');
    await page.reload();
    await waitForStep(page, 60);
    expect(await page.getByRole('switch', { name: 'Log scale' }).isChecked()).toBe(true);
    expect(await page.locator('.chart-description').first().textContent()).toMatch(/first: loss .* second: loss/);
    await picture(page, 'run-compare');
    await page.getByRole('radio', { name: 'Wall time' }).check({ force: true });
    await picture(page, 'run-wall');
    expect(complaints).toEqual([]);
  });

  test('is downloaded', async () => {
    const { page } = await openDashboard(service, '#/runs/first');
    const csv = await downloaded(page, 'CSV');
    expect(csv.name).toMatch(/first.*\.csv$/);
    expect(csv.text.trim().split('\n').length).toBe(61);
    const jsonl = await downloaded(page, 'JSONL');
    expect(
      jsonl.text
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { step: number }).step)
        .at(-1),
    ).toBe(60);
  });

  test('that is not there is said to be none', async () => {
    const { page } = await openDashboard(service, '#/runs/nothing');
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain('nothing');
  });
});

describe('a long run', () => {
  const long = { service, run: 'long' };
  beforeAll(async () => {
    for (let step = 1; step <= 5000; step += 10) {
      await Promise.all(
        Array.from({ length: 10 }, (_, k) => recordStep(long, step + k, [pairOf(2 + Math.sin((step + k) / 50))])),
      );
    }
  });

  test('is thinned out, and read finely where somebody zooms in', async () => {
    const { page } = await openDashboard(service, '#/runs/long');
    await waitForStep(page, 5000);
    const points = Number(
      /\(([\d,]+) points\)/.exec((await page.locator('.data').textContent())!)![1]!.replace(',', ''),
    );
    expect(points).toBeLessThanOrEqual(2000);
    const box = (await page.locator('.u-over').boundingBox())!;
    const refetched = page.waitForRequest((request) => /steps\?from=\d+&to=\d+&max_points/.test(request.url()));
    await page.mouse.move(box.x + box.width * 0.4, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.45, box.y + 120, { steps: 5 });
    await page.mouse.up();
    const query = new URL((await refetched).url()).searchParams;
    expect(Number(query.get('from'))).toBeGreaterThan(1950);
    expect(Number(query.get('to'))).toBeLessThan(2300);
    await vi.waitFor(async () => {
      await chartOf(page).focus();
      await chartOf(page).press('Home');
      const first = Number(await chartOf(page).getAttribute('aria-valuenow'));
      await chartOf(page).press('ArrowRight');
      expect(Number(await chartOf(page).getAttribute('aria-valuenow'))).toBe(first + 1);
    }, 5000);
    await page.getByRole('button', { name: 'Reset zoom' }).click();
    expect(page.url()).not.toContain('from=');
    // Zooming also works without dragging.
    await page.getByRole('button', { name: 'Zoom in' }).click();
    expect(page.url()).toMatch(/from=\d+&to=\d+$/);
    await page.getByRole('button', { name: 'Zoom out' }).click();
    expect(page.url()).not.toContain('from=');
  });
});

describe('a file', () => {
  const tensor = (dtype: 'float32' | 'int64', shape: number[], data: Float32Array | BigInt64Array) => ({
    dtype,
    shape,
    data: Buffer.from(data.buffer),
  });
  const file = safetensorsFile([
    ['logits', tensor('float32', [3, 2], new Float32Array([1, 2, NaN, 0, 0, 3]))],
    ['label', tensor('int64', [3], new BigInt64Array([1n, 0n, 1n]))],
  ]);

  test('that is dropped is evaluated', async () => {
    const { page, complaints } = await openDashboard(service, '#/evaluate');
    await page.locator('.drop').waitFor();
    const transfer = await page.evaluateHandle(`(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from([${[...file].join()}])], 'batch.safetensors'));
      return transfer;
    })()`);
    await page.locator('.drop').dispatchEvent('drop', { dataTransfer: transfer });
    await page.getByRole('heading', { name: 'batch.safetensors' }).waitFor();
    const text = await page.locator('.evaluation').textContent();
    expect(text).toContain('NaN in 1 of 3 rows; first at row 1, class 0 (the label)');
    expect(text).toContain('nan_logit');
    await page.getByText('Worst rows').click();
    await page.getByText('1 location').click();
    expect(await page.locator('.evaluation table').allTextContents()).toHaveLength(2);
    await picture(page, 'evaluation');
    expect(complaints).toEqual([]);
  });

  test('that is chosen is known by its content', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    const input = page.getByLabel('Choose a file to evaluate');
    const msgpack = Buffer.from(encodeRequest({ label: [1], logits: [[0, 0]] }, MSGPACK) as Uint8Array);
    await input.setInputFiles({ name: 'batch.bin', mimeType: '', buffer: msgpack });
    await page.getByText('0.6931').first().waitFor();
    await input.setInputFiles({ name: 'broken.json', mimeType: '', buffer: Buffer.from('{"logits": [[1]]}') });
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain('label');
    await input.setInputFiles({ name: 'notes.txt', mimeType: '', buffer: Buffer.from('notes') });
    await page.getByText('expected safetensors, MessagePack or JSON; notes.txt is none of these').waitFor();
  });
});

/** Files of other formats. NumPy files are excluded: the page reads them. */
const REFUSED = Object.entries(FOREIGN_FILES).filter(([name]) => !name.startsWith('batch.np'));

test.each(REFUSED)('%s is called what it is, and not sent', async (name, { bytes, kind }) => {
  const { page } = await openDashboard(service, '#/evaluate');
  await page.getByLabel('Choose a file to evaluate').setInputFiles({ name, mimeType: '', buffer: bytes });
  await page.getByRole('alert').waitFor();
  const text = await page.getByRole('alert').textContent();
  expect(text).toContain('This file cannot be evaluated');
  expect(text).toContain(`${name} is ${kind}; `);
});

test('nothing is claimed of losses that are still to come, nor of other runs', async () => {
  const { page } = await openDashboard(service, '#/');
  let answer = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await page.route(/\/steps\?/, async (route) => {
    await held;
    await route.continue();
  });
  await recordStep({ service, run: 'calm' }, 1, [pairOf(3)]);
  await page.goto(`${service.url}/#/runs/calm?compare=first`);
  await page.getByText('Findings').waitFor();
  await page.waitForTimeout(500);
  expect(await page.getByText(/none is a spike/).count()).toBe(0);
  answer();
  await page.getByText('Every loss of calm is finite, and none is a spike.').waitFor();
});

test('everything can be done by keyboard alone', async () => {
  const { page } = await openDashboard(service);
  await page.getByRole('row', { name: 'first' }).waitFor();
  const focused = async (): Promise<string> =>
    (await page.evaluate(
      `document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent`,
    )) as string;
  const tabTo = async (name: string): Promise<void> => {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press('Tab');
      if ((await focused()).trim() === name) return;
    }
    throw new Error(`there is no way to ${name} by Tab`);
  };
  await tabTo('first');
  // The focused element has a visible outline.
  expect(await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`)).toBe('solid');
  await page.keyboard.press('Enter');
  await waitForStep(page, 60);
  await tabTo('Loss curve');
  await page.keyboard.press('p');
  expect(await chartOf(page).getAttribute('aria-valuetext')).toBe(`step 50, loss NaN, ${BROKEN_CAUSE}`);
  expect(await tooltipOf(page).textContent()).toContain(BROKEN_CAUSE);
  await page.keyboard.press('ArrowLeft');
  expect(await chartOf(page).getAttribute('aria-valuenow')).toBe('49');
  await page.keyboard.press('p');
  expect(await chartOf(page).getAttribute('aria-valuetext')).toMatch(/^step 40, loss 5\.\d+, spike$/);
  await page.keyboard.press('n');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Step 50' }).waitFor();
  await page.keyboard.press('+');
  expect(page.url()).toContain('from=');
  await page.keyboard.press('0');
  expect(page.url()).not.toContain('from=');
});

describe('nobody is shut out', () => {
  const pages = {
    runs: '#/',
    run: '#/runs/first?compare=second&step=50',
    evaluate: '#/evaluate',
  };

  describe.each(['light', 'dark'] as const)('where the system is %s', (colorScheme) => {
    test.each(Object.entries(pages))('by %s', async (name, hash) => {
      const { page } = await openDashboard(service, hash, { colorScheme, reducedMotion: 'reduce' });
      if (name === 'runs') await page.getByRole('row', { name: 'first' }).waitFor();
      if (name === 'run') {
        await waitForStep(page, 60);
        await page.getByText('nan_logit').waitFor();
        for (const summary of await page.locator('.step-detail details, .data').all())
          await summary.locator('summary').first().click();
        await chartOf(page).focus();
        await chartOf(page).press('p');
      }
      if (name === 'evaluate') {
        const buffer = Buffer.from(JSON.stringify(BROKEN));
        await page.getByLabel('Choose a file to evaluate').setInputFiles({ name: 'a.json', mimeType: '', buffer });
        await page.getByText('nan_logit').waitFor();
      }
      await picture(page, `${name}-${colorScheme}`);
      expect(await findBarriers(page)).toEqual([]);
    });
  });

  test.each(Object.entries(pages))('%s fits on a phone', async (name, hash) => {
    const { page } = await openDashboard(service, hash, { viewport: { width: 375, height: 700 }, isMobile: true });
    if (name === 'runs') await page.getByRole('row', { name: 'first' }).waitFor();
    if (name === 'run') await page.getByText('nan_logit').waitFor();
    if (name === 'evaluate') await page.locator('.drop').waitFor();
    await picture(page, `${name}-phone`);
    expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(375);
    expect(await findBarriers(page)).toEqual([]);
  });

  test('the tooltip stays on the screen of a phone', async () => {
    const { page } = await openDashboard(service, '#/runs/first', { viewport: { width: 375, height: 700 } });
    await waitForStep(page, 60);
    await chartOf(page).scrollIntoViewIfNeeded();
    const chart = (await chartOf(page).boundingBox())!;
    for (const part of [0.3, 0.45, 0.49, 0.55, 0.7, 0.84]) {
      await page.mouse.move(chart.x + part * chart.width, chart.y + chart.height / 2);
      const box = (await tooltipOf(page).boundingBox({ timeout: 5000 }))!;
      expect([part, box.x >= 0, box.x + box.width <= 375]).toEqual([part, true, true]);
    }
  });

  test('a theme is chosen, and stays', async () => {
    const { page } = await openDashboard(service, '#/', { colorScheme: 'light' });
    const themeNow = () => page.evaluate('document.documentElement.dataset.theme');
    expect(await themeNow()).toBe('light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await vi.waitFor(async () => expect(await themeNow()).toBe('dark'), 2000);
    await page.getByRole('button', { name: /^Theme/ }).click();
    expect(await themeNow()).toBe('light');
    await page.reload();
    expect(await themeNow()).toBe('light');
  });
});

describe('runs of any name', () => {
  const service = Service.start();
  const names = ['a/b', 'lr=1e-4,bs=32', 'Grüße 100% ?#+&'];
  beforeAll(async () => {
    for (const [k, run] of names.entries()) {
      const recording = { service, run: encodeURIComponent(run) };
      for (let step = 1; step <= 3 + k; step++) await recordStep(recording, step, [pairOf(3 - step / 4)]);
    }
  });

  test.each(names)('%s is opened from the list, read live and downloaded', async (name) => {
    const { page, complaints } = await openDashboard(service);
    await page.getByRole('link', { name, exact: true }).click();
    await page.getByRole('heading', { name, exact: true }).waitFor();
    await waitForStep(page, 3 + names.indexOf(name));
    await page.getByText('live', { exact: true }).waitFor();
    expect(await page.title()).toBe(`${name} – Lossmeter`);
    for (const format of ['csv', 'jsonl']) {
      const { name: file, text } = await downloaded(page, format.toUpperCase());
      expect(file).toBe(`${name.replaceAll(/[/?]/g, '_')}-steps.${format}`);
      expect(text).toContain(format === 'csv' ? '\r\n3,' : '"step":3,');
    }
    await page.reload();
    await waitForStep(page, 3 + names.indexOf(name));
    expect(complaints).toEqual([]);
  });

  test('are compared, and the address keeps them', async () => {
    const { page, complaints } = await openDashboard(service);
    for (const name of names) await page.getByRole('checkbox', { name: `Compare ${name}`, exact: true }).check();
    await page.getByRole('button', { name: /^Compare/ }).click();
    for (const name of names) await legendOf(page).getByText(name, { exact: true }).waitFor();
    const described = () => page.locator('.chart-description').first().textContent();
    const allLoaded = async (): Promise<void> => {
      for (const name of names) await expect.poll(described, { timeout: 10_000 }).toContain(`${name}: loss 2.`);
    };
    await allLoaded();
    await page.reload();
    await allLoaded();
    expect(await legendOf(page).getByRole('listitem').count()).toBe(3);
    await picture(page, 'run-names');
    expect(await findBarriers(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('a typed address may leave slashes as they are', async () => {
    const { page } = await openDashboard(service, '#/runs/a/b');
    await page.getByRole('heading', { name: 'a/b', exact: true }).waitFor();
    await waitForStep(page, 3);
    expect(await page.title()).toBe('a/b – Lossmeter');
  });
});

describe('a service with keys', () => {
  const service = Service.start({ apiKeysFile });
  const recording = { service, run: 'guarded', key: keys.record };

  test('is asked with the key that it wants', async () => {
    await recordStep(recording, 1, [pairOf(3)]);
    const { page } = await openDashboard(service);
    const dialog = page.getByRole('dialog', { name: 'This service requires a key' });
    await dialog.waitFor();
    expect(await findBarriers(page)).toEqual([]);
    await picture(page, 'key');
    await dialog.getByLabel('API key').fill('wrong');
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByText('the key is unknown to this service').waitFor();
    await dialog.getByLabel('API key').fill(keys.read);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'guarded' }).click();
    await waitForStep(page, 1);
    await recordStep(recording, 2, [pairOf(2.5)]);
    await waitForStep(page, 2, 1000);
    const { name, text } = await downloaded(page, 'CSV');
    expect([name, text.trim().split('\n').length]).toEqual(['guarded.csv', 3]);
    expect(await page.evaluate('localStorage.length')).toBe(0);
  });

  test('says what a key may not', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    const buffer = Buffer.from('{"logits": [[0, 0]], "label": [1]}');
    await page.getByLabel('Choose a file to evaluate').setInputFiles({ name: 'a.json', mimeType: '', buffer });
    await page.getByLabel('API key').fill(keys.read);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain('evaluate');
    await page.getByRole('button', { name: 'Forget key' }).click();
    await vi.waitFor(async () => expect(await page.evaluate('sessionStorage.length')).toBe(0), 5000);
  });
});
