import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileChooser, Page } from 'playwright-core';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { newFolder } from '../keys.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { Service } from '../service.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { findBarriers } from './axe.ts';
import { openDashboard, picture, useBrowser } from './dashboard-page.ts';

useBrowser();

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const service = Service.start();

const ROWS = 500;
const CLASSES = 8;

const tensor = (dtype: Tensor['dtype'], shape: number[], data: Float32Array | BigInt64Array): Tensor => ({
  dtype,
  shape,
  data: Buffer.from(data.buffer),
});

/** Logits that differ by a factor: the divergence grows with the row. */
const logitsOf = (factor: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: ROWS * CLASSES }, (_, k) => {
    const row = Math.floor(k / CLASSES);
    return Math.sin(7 * k) * (1 + (factor * row) / ROWS) + (factor > 0 && row === 321 ? (k % CLASSES) * 4 : 0);
  });

const SHAPE = [ROWS, CLASSES];
const LABEL = tensor(
  'int64',
  [ROWS],
  BigInt64Array.from({ length: ROWS }, (_, row) => BigInt(row % CLASSES)),
);
const LOGITS = tensor('float32', SHAPE, logitsOf(0.5));
const REFERENCE = tensor('float32', SHAPE, logitsOf(0));
const broken = logitsOf(0);
broken[5 * CLASSES + 2] = NaN;

function written(name: string, tensors: [string, Tensor][], metadata?: Record<string, string>): string {
  const path = join(folder, name);
  writeFileSync(path, safetensorsFile(tensors, metadata));
  return path;
}

const FILES = {
  logits: written('quantised.safetensors', [
    ['label', LABEL],
    ['logits', LOGITS],
  ]),
  reference: written('full.safetensors', [['logits', REFERENCE]]),
  onlyReference: written('a-reference.safetensors', [['reference', REFERENCE]]),
  pair: written('pair.safetensors', [
    ['logits', LOGITS],
    ['reference', REFERENCE],
  ]),
  broken: written('broken.safetensors', [['logits', tensor('float32', SHAPE, broken)]]),
  rejecting: written(
    'rejecting.safetensors',
    [
      ['logits', tensor('float32', SHAPE, broken)],
      ['reference', REFERENCE],
    ],
    { options: '{"on_non_finite":"reject"}' },
  ),
  narrow: written('narrow.safetensors', [['logits', tensor('float32', [ROWS * 2, CLASSES / 2], logitsOf(0))]]),
};

interface Answer {
  kl_divergence: { mean: number; max: number };
  top1_agreement: { fraction: number };
  perplexity: { logits: { value: number }; ratio: { value: number } };
  worst_rows: { row: number; prediction: number; reference_prediction: number }[];
}

/** The comparison as the service answers JSON. */
async function answerOf(logits: Tensor, reference: Tensor): Promise<Answer> {
  const array = ({ dtype, shape, data }: Tensor): object => ({
    dtype,
    shape,
    data: Buffer.from(data).toString('base64'),
  });
  const response = await fetch(`${service.url}/v1/kl-divergence`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reference: array(reference), logits: array(logits), label: array(LABEL) }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

const dropInput = (page: Page) => page.getByLabel('Choose a file to evaluate');
const chosen = (page: Page) => page.getByRole('region', { name: 'Chosen files' });
const titled = (page: Page, title: string) => page.getByRole('heading', { name: title, exact: true });
/** Heading of the evaluation of a file alone, with its size. */
const evaluated = (page: Page) => page.getByRole('heading', { name: /^quantised\.safetensors [\d.]+ KiB$/ });
const cellOf = (page: Page, name: string, nth = 0) =>
  page
    .locator('.statistics')
    .getByRole('row', { name: new RegExp(`^${name} `) })
    .nth(nth)
    .getByRole('cell')
    .first();

describe('two files', () => {
  test('that are chosen one after the other are compared', async () => {
    const { page, complaints } = await openDashboard(service, '#/evaluate');
    await dropInput(page).setInputFiles(FILES.logits);
    await evaluated(page).waitFor();
    const sent = page.waitForRequest(/v1\/kl-divergence/);
    await page.getByLabel('Compare with a reference').setInputFiles(FILES.reference);
    await titled(page, 'quantised.safetensors against full.safetensors').waitFor();
    expect(await (await sent).headerValue('content-type')).toBe('application/vnd.safetensors');
    const expected = await answerOf(LOGITS, REFERENCE);
    expect(await cellOf(page, 'Mean').textContent()).toBe(expected.kl_divergence.mean.toFixed(4));
    expect(await cellOf(page, 'Maximum').textContent()).toBe(expected.kl_divergence.max.toFixed(4));
    expect(await cellOf(page, 'Same on both sides').textContent()).toBe(
      `${(100 * expected.top1_agreement.fraction).toFixed(3)} %`,
    );
    expect(await cellOf(page, 'Of the logits').textContent()).toBe(expected.perplexity.logits.value.toFixed(4));
    expect(await cellOf(page, 'Ratio').textContent()).toBe(expected.perplexity.ratio.value.toFixed(4));
    const [worst] = expected.worst_rows;
    const cells = page
      .getByRole('region', { name: 'Rows of greatest divergence' })
      .locator('tbody tr')
      .first()
      .locator('td');
    const texts = await cells.allTextContents();
    expect([worst!.row, texts[0], texts[3], texts[4]]).toEqual([
      321,
      '321',
      String(worst!.prediction),
      `${worst!.reference_prediction} differs`,
    ]);
    await picture(page, 'comparison');
    expect(complaints).toEqual([]);
  });

  test('that are dropped at once are compared, and swapped', async () => {
    const { page, complaints } = await openDashboard(service, '#/evaluate');
    await page.locator('.drop').waitFor();
    await dropFiles(page, ['quantised.safetensors', LOGITS], ['full.safetensors', REFERENCE]);
    await titled(page, 'quantised.safetensors against full.safetensors').waitFor();
    await page.getByRole('button', { name: 'Swap' }).click();
    await titled(page, 'full.safetensors against quantised.safetensors').waitFor();
    const expected = await answerOf(REFERENCE, LOGITS);
    expect(await cellOf(page, 'Mean').textContent()).toBe(expected.kl_divergence.mean.toFixed(4));
    expect(await page.getByText('Perplexity', { exact: true }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('are known by their tensors: one without logits is the reference', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    await dropInput(page).setInputFiles([FILES.onlyReference, FILES.logits]);
    await titled(page, 'quantised.safetensors against a-reference.safetensors').waitFor();
    expect(await chosen(page).getByRole('listitem').allTextContents()).toEqual([
      expect.stringMatching(/^Logitsquantised/) as string,
      expect.stringMatching(/^Referencea-reference/) as string,
    ]);
    await page.getByRole('button', { name: 'Remove a-reference.safetensors' }).click();
    await evaluated(page).waitFor();
    await page.getByRole('button', { name: 'Remove quantised.safetensors' }).click();
    await chosen(page).waitFor({ state: 'detached' });
    expect(await page.locator('.evaluation').count()).toBe(0);
  });

  test('have their faults named with side and place', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    await dropInput(page).setInputFiles([FILES.logits, FILES.broken]);
    await page.getByText('reference: NaN among the logits').waitFor();
    const text = await page.locator('.diagnostics').textContent();
    expect(text).toContain('reference: NaN among the logits nan_logit in 1 row, first at row 5, class 2');
    await page.getByText('1 location of the reference').click();
    expect(await page.getByRole('row', { name: '5 2 NaN' }).count()).toBe(1);
    expect(await page.locator('.comparison-chart').first().textContent()).toContain('1 row that is not finite');
    await picture(page, 'comparison-broken');
    expect(await findBarriers(page)).toEqual([]);
  });

  test('that do not fit are a problem of the service', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    await dropInput(page).setInputFiles([FILES.logits, FILES.narrow]);
    await page.getByRole('alert').waitFor();
    const text = await page.getByRole('alert').textContent();
    expect(text).toContain('reference');
    expect(text).toContain('(1000, 4)');
  });

  test('of which one cannot be compared are not sent', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    let sent = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/v1/kl-divergence')) sent++;
    });
    const json = { name: 'a.json', mimeType: '', buffer: Buffer.from('{"logits": [[0, 0]], "label": [1]}') };
    await dropInput(page).setInputFiles(FILES.logits);
    await page.getByLabel('Compare with a reference').setInputFiles(json);
    await page.getByText('expected safetensors to compare; a.json is application/json').waitFor();
    await page.getByLabel('Choose another reference').setInputFiles(FILES.onlyReference);
    await titled(page, 'quantised.safetensors against a-reference.safetensors').waitFor();
    await page.getByRole('button', { name: 'Swap' }).click();
    await page.getByText('expected the tensor logits in a-reference.safetensors; its tensors are reference').waitFor();
    await dropInput(page).setInputFiles([FILES.logits, FILES.reference, FILES.broken]);
    await page.getByText('expected one file or two, got 3').waitFor();
    expect(sent).toBe(1);
  });
});

describe('a file with both sets of logits', () => {
  test('is a comparison', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    await dropInput(page).setInputFiles(FILES.pair);
    await titled(page, 'pair.safetensors').waitFor();
    const expected = await answerOf(LOGITS, REFERENCE);
    expect(await cellOf(page, 'Mean').textContent()).toBe(expected.kl_divergence.mean.toFixed(4));
  });

  test('is a problem with diagnostics, where its options reject it', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    await dropInput(page).setInputFiles(FILES.rejecting);
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('region', { name: 'Diagnostics' }).textContent()).toContain(
      'logits: NaN among the logits',
    );
  });
});

test('large files are joined as they lie on the disk: the page reads headers only', async () => {
  const rows = 2 ** 15;
  const zeros = tensor('float32', [rows, 512], new Float32Array(rows * 512));
  const logits = written('large-logits.safetensors', [['logits', zeros]]);
  const reference = written('large-reference.safetensors', [['logits', zeros]]);
  const { page } = await openDashboard(service, '#/evaluate');
  await page.evaluate(`
    globalThis.readBytes = [];
    for (const name of ['arrayBuffer', 'bytes', 'text', 'stream']) {
      const read = Blob.prototype[name];
      Blob.prototype[name] = function () {
        globalThis.readBytes.push(this.size);
        return read.call(this);
      };
    }
  `);
  await dropInput(page).setInputFiles([logits, reference]);
  await titled(page, 'large-logits.safetensors against large-reference.safetensors').waitFor();
  expect(await page.getByText('Outside of the bins: 32,768 rows of divergence 0.').count()).toBe(1);
  const read = (await page.evaluate('globalThis.readBytes')) as number[];
  // The largest reads are the columns of the answer.
  expect(Math.max(...read)).toBe(8 * rows);
});

test('a comparison is made by keyboard alone', async () => {
  const { page } = await openDashboard(service, '#/evaluate');
  await dropInput(page).waitFor({ state: 'attached' });
  const focused = (): Promise<unknown> =>
    page.evaluate(`document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent`);
  const tabTo = async (name: string): Promise<void> => {
    for (let presses = 0; presses < 40; presses++) {
      await page.keyboard.press('Tab');
      if ((await focused()) === name) return;
    }
    throw new Error(`Tab does not reach ${name}`);
  };
  // One listener for the whole test: without a listener Chromium opens its own file chooser.
  const choosers: FileChooser[] = [];
  page.on('filechooser', (chooser) => choosers.push(chooser));
  const choose = async (path: string): Promise<void> => {
    await page.keyboard.press('Space');
    await expect.poll(() => choosers.length).toBe(1);
    await choosers.pop()!.setFiles(path);
  };
  await tabTo('Choose a file to evaluate');
  await choose(FILES.logits);
  await evaluated(page).waitFor();
  await tabTo('Compare with a reference');
  expect(await page.evaluate(`getComputedStyle(document.activeElement.parentElement).outlineStyle`)).toBe('solid');
  await choose(FILES.reference);
  await titled(page, 'quantised.safetensors against full.safetensors').waitFor();
  await tabTo('Swap');
  await page.keyboard.press('Enter');
  await titled(page, 'full.safetensors against quantised.safetensors').waitFor();
  // The focus stays on the page when the focused control is removed.
  await tabTo('Remove quantised.safetensors');
  await page.keyboard.press('Enter');
  await page
    .getByRole('alert')
    .or(page.getByRole('heading', { name: /^full\.safetensors/ }))
    .waitFor();
  expect(await focused()).toBe('Compare with a reference');
  await tabTo('Remove full.safetensors');
  await page.keyboard.press('Enter');
  await chosen(page).waitFor({ state: 'detached' });
  expect(await focused()).toBe('Choose a file to evaluate');
});

describe('nobody is shut out', () => {
  test.each(['light', 'dark'] as const)('where the system is %s', async (colorScheme) => {
    const { page } = await openDashboard(service, '#/evaluate', { colorScheme, reducedMotion: 'reduce' });
    await dropInput(page).setInputFiles([FILES.logits, FILES.reference]);
    await titled(page, 'quantised.safetensors against full.safetensors').waitFor();
    await page.getByText('Bins of the histogram').click();
    expect(await page.getByRole('img', { name: /^Histogram of \d+ bins from / }).count()).toBe(1);
    expect(await page.getByRole('img', { name: /^Divergence of 500 rows by position/ }).count()).toBe(1);
    await picture(page, `comparison-${colorScheme}`);
    expect(await findBarriers(page)).toEqual([]);
  });

  test('it fits on a phone', async () => {
    const { page } = await openDashboard(service, '#/evaluate', {
      viewport: { width: 375, height: 700 },
      isMobile: true,
    });
    await dropInput(page).setInputFiles([FILES.logits, FILES.reference]);
    await titled(page, 'quantised.safetensors against full.safetensors').waitFor();
    await page.getByText('Bins of the histogram').click();
    await picture(page, 'comparison-phone');
    await vi.waitFor(async () => expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(375));
    expect(await findBarriers(page)).toEqual([]);
  });
});

/** Drops files of logits on the page. */
async function dropFiles(page: Page, ...files: [name: string, logits: Tensor][]): Promise<void> {
  const given = files.map(([name, logits]) => [name, safetensorsFile([['logits', logits]]).toString('base64')]);
  const transfer = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    for (const [name, content] of ${JSON.stringify(given)}) {
      transfer.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name));
    }
    return transfer;
  })()`);
  await page.locator('.drop').dispatchEvent('drop', { dataTransfer: transfer });
}
