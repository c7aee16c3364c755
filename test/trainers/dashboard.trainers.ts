/** Examples that train with third-party libraries, each with a NaN, and the dashboard of their runs. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDashboard, picture, placeOfColour, useBrowser, waitForStep } from '../browser/dashboard-page.ts';
import { newFolder } from '../keys.ts';
import { CLIENT, CLIENT_WITH_MINDSPORE } from '../python/suites.ts';
import { ROOT, environmentOf, pythonOf } from '../python/environment.ts';
import { Service } from '../service.ts';

const NAN_STEP = 12;
const STEPS = 20;

/** Examples, with the rank that each spoils by its own description. */
const TRAINERS = [
  { example: 'huggingface_lm.py', suite: CLIENT, rank: 0, last: STEPS, checkpoints: true },
  { example: 'lightning_lm.py', suite: CLIENT, rank: 0, last: STEPS - 1, checkpoints: true },
  { example: 'ddp_lm.py', suite: CLIENT, rank: 1, last: STEPS - 1, checkpoints: false },
  { example: 'flax_lm.py', suite: CLIENT, rank: 0, last: STEPS - 1, checkpoints: false },
  { example: 'mindspore_lm.py', suite: CLIENT_WITH_MINDSPORE, rank: 0, last: STEPS, checkpoints: false },
];

useBrowser();

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const service = Service.start();

const pythons = new Map<string, string>();
beforeAll(() => {
  for (const suite of [CLIENT, CLIENT_WITH_MINDSPORE]) pythons.set(suite.name, pythonOf(environmentOf(suite)));
});

describe.each(TRAINERS)('a run of $example', ({ example, suite, rank, last, checkpoints }) => {
  const run = path.basename(example, '.py');

  test('shows its NaN, and names row and class', async () => {
    const { stdout } = await promisify(execFile)(
      pythons.get(suite.name)!,
      [
        path.join('examples', example),
        ...['--run', run, '--steps', String(STEPS), '--nan-at', String(NAN_STEP)],
        ...(checkpoints ? ['--folder', path.join(folder, run)] : []),
      ],
      {
        cwd: ROOT,
        env: {
          ...process.env,
          LOSSMETER_URL: service.url,
          HF_HUB_OFFLINE: '1',
          JAX_PLATFORMS: 'cpu',
          OMP_NUM_THREADS: '1',
        },
      },
    );
    expect(stdout).toContain(`step ${NAN_STEP}, rank ${rank}: loss is nan`);

    const { page, complaints } = await openDashboard(service, `#/runs/${run}`);
    await waitForStep(page, last);
    const place = await placeOfColour(page, '--bad');
    expect(place).not.toBeNull();
    await page.mouse.move(place!.x, place!.y);
    const tooltip = await page.locator('.tooltip').textContent();
    expect(tooltip).toContain(`Step ${NAN_STEP}`);
    expect(tooltip).toContain('NaN among the logits');
    expect(tooltip).toMatch(
      new RegExp(`step ${NAN_STEP}, rank ${rank}: NaN in 1 of \\d+ rows; first at row 21, class 17`),
    );
    await picture(page, `trainer-${run}`);
    expect(complaints).toEqual([]);
  });
});
