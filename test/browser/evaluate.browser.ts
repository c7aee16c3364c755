/** The page that evaluates a batch: its options, and batches that are not files of the service. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, test, vi } from 'vitest';
import { Service } from '../service.ts';
import { findBarriers } from './axe.ts';
import { openDashboard, picture, useBrowser } from './dashboard-page.ts';
import { COLUMNS, DEFLATED, LABEL, LOGITS, STORED, TEXT } from './numpy-files.ts';

useBrowser();

const service = Service.start();

const evaluationOf = (page: Page) => page.locator('.evaluation');
const bigOf = (page: Page) => evaluationOf(page).locator('.big');
const choose = async (page: Page, ...files: [name: string, buffer: Buffer][]): Promise<void> =>
  page
    .getByLabel('Choose a file to evaluate')
    .setInputFiles(files.map(([name, buffer]) => ({ name, mimeType: '', buffer })));

describe('a batch', () => {
  test('is a sample, which can be had as a file', async () => {
    const { page, complaints } = await openDashboard(service, '#/evaluate');
    await page.getByRole('button', { name: 'Try a sample' }).click();
    await page.getByRole('heading', { name: 'sample.json' }).waitFor();
    expect(await evaluationOf(page).textContent()).toContain('NaN in 1 of 3 rows; first at row 1, class 1');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download the sample' }).click(),
    ]);
    const sample = JSON.parse(readFileSync(await download.path(), 'utf8')) as { label: number[] };
    expect(sample.label).toEqual([0, 2, 1, -100]);
    expect(complaints).toEqual([]);
  });

  test('is pasted', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    await page.getByText('Paste JSON').click();
    await page.getByRole('textbox', { name: 'A batch as JSON' }).fill('{"logits": [[0, 0]], "label": [1]}');
    await page.getByRole('button', { name: 'Evaluate the text' }).click();
    await vi.waitFor(async () => expect(await bigOf(page).textContent()).toBe('0.6931'), 5000);
    await page.getByRole('textbox', { name: 'A batch as JSON' }).fill('{"logits": ');
    await page.getByRole('button', { name: 'Evaluate the text' }).click();
    await page.getByRole('alert').waitFor();
  });

  test('is evaluated again when an option is set, in JSON and in safetensors alike', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    const text = '{"logits": [[0, 0], [0, 0]], "label": [1, 0], "options": {"reduction": "sum"}}';
    for (const file of [Buffer.from(text), STORED]) {
      await choose(page, ['batch', file]);
      await evaluationOf(page).waitFor();
      const before = await bigOf(page).textContent();
      await page.getByText(/^Options/).click();
      await page.getByRole('spinbutton', { name: 'Ignored label' }).fill('0');
      await page.getByRole('spinbutton', { name: 'Ignored label' }).blur();
      await evaluationOf(page).getByText('1 ignored').waitFor();
      if (file !== STORED) expect([before, await bigOf(page).textContent()]).toEqual(['1.3863', '0.6931']);
      await page.getByRole('combobox', { name: 'Semantics' }).selectOption('torch');
      await page.getByText('Options (2 set)').waitFor();
      await page.getByRole('combobox', { name: 'Semantics' }).selectOption('');
      await page.getByRole('spinbutton', { name: 'Ignored label' }).fill('');
      await page.getByRole('spinbutton', { name: 'Ignored label' }).blur();
      await evaluationOf(page).getByText('1 ignored').waitFor({ state: 'detached' });
      await page.getByText(/^Options/).click();
    }
    await page.getByText(/^Options/).click();
    await picture(page, 'evaluate-options');
    expect(await findBarriers(page)).toEqual([]);
  });

  test('says that MessagePack has its own options', async () => {
    const { page } = await openDashboard(service, '#/evaluate');
    await page.getByText(/^Options/).click();
    await page.getByRole('combobox', { name: 'Reduction' }).selectOption('sum');
    await choose(page, ['batch.msgpack', Buffer.from('81a56c6162656c00', 'hex')]);
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain(
      'do not apply to batch.msgpack: MessagePack has its own',
    );
  });
});

describe('arrays of NumPy', () => {
  test.each(Object.entries({ 'stored.npz': STORED, 'compressed.npz': DEFLATED }))(
    'are read from %s',
    async (name, bytes) => {
      const { page, complaints } = await openDashboard(service, '#/evaluate');
      await choose(page, [name, bytes]);
      await page.getByRole('heading', { name }).waitFor();
      expect(await evaluationOf(page).textContent()).toContain(
        'NaN in 1 of 3 rows; first at row 1, class 0 (the label)',
      );
      expect(complaints).toEqual([]);
    },
  );

  test('are read from two files, in either order', async () => {
    for (const files of [
      [
        ['x.npy', LOGITS],
        ['y.npy', LABEL],
      ],
      [
        ['y.npy', LABEL],
        ['x.npy', LOGITS],
      ],
    ] as [string, Buffer][][]) {
      const { page } = await openDashboard(service, '#/evaluate');
      await choose(page, ...files);
      await evaluationOf(page).waitFor();
      expect(await evaluationOf(page).textContent()).toContain('NaN in 1 of 3 rows');
    }
  });

  test.each<[string, [string, Buffer][], string]>([
    ['one array', [['x.npy', LOGITS]], 'x.npy is a single NumPy array (.npy); choose the files of logits and labels'],
    [
      'two arrays of logits',
      [
        ['x.npy', LOGITS],
        ['z.npy', LOGITS],
      ],
      'x.npy has F32, z.npy F32',
    ],
    ['an order of columns', [['c.npz', COLUMNS]], 'logits.npy of c.npz cannot be read: it is in Fortran order'],
    ['text', [['t.npz', TEXT]], 'label.npy of t.npz cannot be read: its dtype is <U1'],
    ['a truncated archive', [['s.npz', STORED.subarray(0, 400)]], 's.npz cannot be read: it has no central directory'],
    [
      'a truncated array',
      [
        ['x.npy', LOGITS.subarray(0, 140)],
        ['y.npy', LABEL],
      ],
      'x.npy cannot be read: its data end at byte 152',
    ],
  ])('are refused by name: %s', async (_, files, text) => {
    const { page } = await openDashboard(service, '#/evaluate');
    await choose(page, ...files);
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain(text);
  });
});

test('the manual is one click away', async () => {
  const { page } = await openDashboard(service);
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Manual' }).click();
  await page.waitForURL(/\/docs\/?/);
  await page.getByText('Evaluates cross-entropy loss over HTTP.').first().waitFor();
  expect(await page.title()).toBe('Swagger UI');
});
