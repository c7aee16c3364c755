/** Life of runs in the dashboard: their states, tags and notes, and the disagreements within their steps. */
import { beforeAll, describe, expect, test } from 'vitest';
import { formatLoss } from '../../dashboard/src/format/numbers.ts';
import { Training, batchOf, lossesOf, mean } from '../injector/training.ts';
import { Service } from '../service.ts';
import { findBarriers } from './axe.ts';
import { openDashboard, picture, useBrowser, waitForStep } from './dashboard-page.ts';
import { BROKEN, BROKEN_CAUSE, describeRun, pairOf, recordStep } from './recorded-runs.ts';

useBrowser();

const service = Service.start();

const NOTES = Array.from({ length: 12 }, (_, k) => `Line ${k} of the <b>notes</b>.`).join('\n');

beforeAll(async () => {
  for (const [run, metadata] of [
    ['done', { state: 'finished', tags: ['paper', 'a, 50%'], notes: NOTES, labels: { model: 'small' } }],
    ['broken', { state: 'failed', tags: ['paper'], notes: 'Out of memory.' }],
    ['silent', {}],
    ['old', { state: 'finished', archived: true }],
  ] as const) {
    const recording = { service, run };
    await recordStep(recording, 1, [pairOf(3)]);
    await describeRun(recording, metadata);
  }
});

/** A run whose ranks disagree at step 3, and whose step 4 was computed again. */
const training = new Training(service, 'disagreeing');

beforeAll(async () => {
  const step = 3;
  for (const rank of [0, 1, 2, 3]) await training.put({ step, rank }, batchOf(rank));
  // A short micro-batch makes the mean of the means differ from the mean over tokens.
  await training.put({ step, rank: 3, micro: 1 }, batchOf(9, { rows: 3, certainty: 12 }));
  await training.put({ step, rank: 4 }, { ...batchOf(2), declared_loss: 7.654321 });

  const [clean, other] = [batchOf(20), batchOf(21)];
  const broken = { ...clean, logits: clean.logits.with(6, clean.logits[6]!.with(2, NaN)) };
  await training.put({ step: 4, rank: 0 }, { ...broken, device: 'node-1' });
  await training.put({ step: 4, rank: 1 }, { ...other, device: 'node-1' });
  await training.put({ step: 4, rank: 0, attempt: 1 }, { ...clean, device: 'node-1' });
  await training.put({ step: 4, rank: 1, attempt: 1 }, { ...other, device: 'node-2' });
});

const WIDTHS = [1440, 390];

describe.each(WIDTHS)('on a screen of %i pixels', (width) => {
  const open = (hash: string, colorScheme: 'light' | 'dark' = 'light') =>
    openDashboard(service, hash, { viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' });

  test.each(['light', 'dark'] as const)('a run shows its state, its tags and its notes, %s', async (colours) => {
    const { page, complaints } = await open('#/runs/done', colours);
    await waitForStep(page, 1);
    const head = page.locator('.run-head');
    await head.getByText('finished', { exact: true }).waitFor();
    expect(await head.getByRole('list', { name: 'Tags' }).getByRole('link').allTextContents()).toEqual([
      'paper',
      'a, 50%',
    ]);
    const notes = page.getByRole('region', { name: 'Notes' });
    const text = notes.getByText('Line 0');
    expect(await text.textContent()).toBe(NOTES);
    const cut = (await text.boundingBox())!.height;
    await picture(page, `run-life-${width}-${colours}`);
    expect(await findBarriers(page)).toEqual([]);
    await notes.getByRole('button', { name: 'More' }).click();
    expect((await text.boundingBox())!.height).toBeGreaterThan(2 * cut);
    await notes.getByRole('button', { name: 'Less' }).click();
    expect((await text.boundingBox())!.height).toBe(cut);
    expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(width);
    expect(complaints).toEqual([]);
  });

  test.each(['light', 'dark'] as const)('a step shows what its ranks disagree about, %s', async (colours) => {
    const { page, complaints } = await open('#/runs/disagreeing?step=3', colours);
    const reruns: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/reruns')) reruns.push(request.url());
    });
    const findings = page.getByRole('region', { name: 'Disagreement' }).getByRole('listitem');
    await findings.first().waitFor();
    const { normalisation, disagreement } = await training.get<{
      normalisation: Record<string, number>;
      disagreement: { kind: string; summary: string }[];
    }>('steps/3');
    expect(disagreement.map(({ kind }) => kind)).toEqual(['declared_loss_differs', 'same_batch']);
    const [declared, same] = disagreement.map(({ summary }) => summary);
    expect(await findings.allTextContents()).toEqual([
      `warning The declared loss differs${declared}`,
      `error Several ranks have the same batch${same}`,
    ]);
    const averages = await page
      .getByRole('region', { name: 'Normalisation' })
      .getByRole('definition')
      .allTextContents();
    expect(normalisation['mean_of_means']).not.toBeCloseTo(normalisation['token_mean']!, 2);
    const names = ['token_mean', 'mean_of_means', 'mean_of_rank_means', 'relative_difference'];
    expect(averages).toEqual(names.map((name) => formatLoss(normalisation[name])));
    await picture(page, `step-disagreement-${width}-${colours}`);
    expect(await findBarriers(page)).toEqual([]);
    expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(width);
    expect(reruns).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test.each(['light', 'dark'] as const)('a step that was computed again shows the verdict, %s', async (colours) => {
    const { page, complaints } = await open('#/runs/disagreeing?step=4', colours);
    const section = page.getByRole('region', { name: 'Reruns' });
    const items = section.getByRole('group').getByRole('listitem');
    await items.first().waitFor();
    const [loss, other] = [mean(lossesOf(batchOf(20))), mean(lossesOf(batchOf(21)))].map(formatLoss);
    expect(await items.allTextContents()).toEqual([
      `transient Rank 0, micro-batch 0relative difference NaN, first at row 6; attempt 0: NaN on node-1; attempt 1: ${loss} on node-1`,
      `correct Rank 1, micro-batch 0same bits; attempt 0: ${other} on node-1; attempt 1: ${other} on node-2`,
    ]);
    expect(await section.getByRole('list', { name: 'Verdicts' }).getByRole('listitem').allTextContents()).toEqual([
      '1 micro-batch transient: the same device gave a different result',
      '1 micro-batch correct: another device gave the same result',
    ]);
    await picture(page, `step-reruns-${width}-${colours}`);
    expect(await findBarriers(page)).toEqual([]);
    expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(width);
    expect(complaints).toEqual([]);
  });

  test('the list has columns of states and tags, and filters', async () => {
    const { page, complaints } = await open('#/?sort=name&columns=state,tags,last,best,steps');
    await page.getByRole('row', { name: 'broken' }).waitFor();
    expect(await page.locator('tbody th a').allTextContents()).toEqual(['broken', 'disagreeing', 'done', 'silent']);
    const cells = await page.getByRole('row', { name: 'done' }).getByRole('cell').allTextContents();
    expect(cells.slice(1, 3)).toEqual(['finished', 'papera, 50%']);
    await picture(page, `run-states-${width}`);
    await page.getByText('Filter', { exact: true }).click();
    await page.getByRole('combobox', { name: 'State' }).selectOption('finished');
    await page.getByText('1 run for state finished · ').waitFor();
    await page.getByRole('combobox', { name: 'Archived runs' }).selectOption('With archived runs');
    await page.getByText('2 runs for state finished · ').waitFor();
    expect(await page.getByRole('row', { name: 'old' }).getByText('archived', { exact: true }).count()).toBe(1);
    await page.getByRole('checkbox', { name: 'a, 50%' }).check();
    await page.getByText('1 run for state finished, tag “a, 50%” · ').waitFor();
    await picture(page, `run-filters-${width}`);
    expect(await findBarriers(page)).toEqual([]);
    expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(width);
    await page.reload();
    await page.getByText('1 run for state finished, tag “a, 50%” · ').waitFor();
    await page.getByText('Filter (3)', { exact: true }).waitFor();
    expect(await page.locator('tbody th a').allTextContents()).toEqual(['done']);
    expect(complaints).toEqual([]);
  });
});

test('an archived run says so, and has no notes where nobody wrote any', async () => {
  const { page } = await openDashboard(service, '#/runs/old');
  await page.locator('.run-head').getByText('archived', { exact: true }).waitFor();
  expect(await page.getByRole('region', { name: 'Notes' }).count()).toBe(0);
});

test('a change of the state is shown at once', async () => {
  const { page } = await openDashboard(service, '#/runs/silent');
  const head = page.locator('.run-head');
  await head.getByText('running', { exact: true }).waitFor();
  await page.locator('[data-connection=live]').waitFor();
  await describeRun({ service, run: 'silent' }, { state: 'failed', tags: ['late'] });
  await head.getByText('failed', { exact: true }).waitFor({ timeout: 5000 });
  await head.getByRole('link', { name: 'late' }).click();
  await page.getByRole('row', { name: 'silent' }).waitFor();
  expect(page.url()).toContain('#/?tag=late');
  await page.getByText('1 run for tag “late”').waitFor();
});

test('archived runs are one press away where no other run matches', async () => {
  const { page } = await openDashboard(service, '#/?q=old');
  await page.getByText('No run matches “old”.').waitFor();
  await page.getByRole('button', { name: 'Show archived runs' }).click();
  await page.getByRole('row', { name: 'old' }).waitFor();
  expect(page.url()).toContain('archived=any');
});

test('a step that is not finite has no averages', async () => {
  await recordStep({ service, run: 'broken' }, 2, [BROKEN]);
  const { page } = await openDashboard(service, '#/runs/broken?step=2');
  await page.locator('.step-detail').getByText(BROKEN_CAUSE).waitFor();
  expect(await page.getByRole('region', { name: 'Normalisation' }).count()).toBe(0);
});
