/** The guide in a real browser: from the service, below a prefix, and opened as files. */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Service } from '../service.ts';
import { findBarriers } from './axe.ts';
import { startProxy } from './prefix-proxy.ts';

/** Host name other than loopback: browsers trust loopback more than other hosts over HTTP. */
const HOST = 'lossmeter.test';
const FOLDER = pathToFileURL(fileURLToPath(new URL('../../guide/dist/', import.meta.url))).href;

let browser: Browser;
beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', `--host-resolver-rules=MAP ${HOST} 127.0.0.1`],
  });
});
afterAll(() => browser?.close());

interface Look {
  width?: number;
  colorScheme?: 'light' | 'dark';
}

/** Opens a page of the guide, and collects complaints of the browser, violations of the Content-Security-Policy among them. */
async function open(url: string, { width = 1440, colorScheme = 'light' }: Look = {}) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  onTestFinished(() => page.close());
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.url()}: ${response.status()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/** Searches, and opens the first result by the keyboard. */
async function search(page: Page, query: string): Promise<void> {
  await page.keyboard.press('/');
  await page.keyboard.type(query);
  await page.locator('#results a').first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
}

const service = Service.start({ allowedHosts: HOST });
const addressOf = (path: string): string => `${service.url.replace('127.0.0.1', HOST)}/docs/guide${path}`;

test('it shows its pages under the headers that the service sends', async () => {
  const { page, complaints } = await open(addressOf(''));
  expect(page.url()).toBe(addressOf('/'));
  await page.locator('#contents').getByRole('link', { name: 'Architecture' }).click();
  await page.locator('h1').getByText('Architecture').waitFor();
  const picture = await page.evaluate(`document.querySelector('article img').naturalWidth`);
  expect(picture, 'of the picture').toBe(960);
  expect(await page.evaluate(`getComputedStyle(document.querySelector('header')).position`)).toBe('sticky');
  expect(complaints).toEqual([]);
});

test('a script in the page would not run, so none of its own stands there', async () => {
  const { page, complaints } = await open(addressOf('/index.html'));
  await page.evaluate(
    `document.head.append(Object.assign(document.createElement('script'), { text: 'globalThis.ran = 1' }))`,
  );
  expect(await page.evaluate('globalThis.ran')).toBeUndefined();
  expect(complaints.join()).toContain('Content Security Policy');
});

describe('the search', () => {
  test.each(['from the service', 'below a prefix', 'as files'])('finds a section, %s', async (place) => {
    const proxy = place === 'below a prefix' ? await startProxy(() => service) : undefined;
    onTestFinished(() => proxy?.close());
    const begin =
      place === 'as files'
        ? `${FOLDER}adr/index.html`
        : `${proxy ? `${proxy.url}/docs/guide` : addressOf('')}/adr/index.html`;
    const { page, complaints } = await open(begin);
    await search(page, 'gzip members');
    await page.waitForURL(/limits\.html#compression$/);
    expect(await page.locator('#compression').isVisible()).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('finds an option by its name, and closes when it leads to the same page', async () => {
    const { page, complaints } = await open(addressOf('/evaluate.html'));
    await search(page, 'label_smoothing uniform');
    await page.waitForURL(/evaluate\.html#options$/);
    expect(await page.locator('#results').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  test('says that nothing was found', async () => {
    const { page, complaints } = await open(addressOf('/'));
    await page.locator('#search').fill('qwertzuiop');
    await page.getByText('Nothing found for qwertzuiop').waitFor();
    await page.locator('#search').fill('lse');
    await page.locator('#results a').first().waitFor();
    await page.keyboard.press('Escape');
    expect(await page.locator('#results').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });
});

test('a narrow screen shows the contents when asked', async () => {
  const { page, complaints } = await open(addressOf('/runs.html'), { width: 390 });
  const contents = page.locator('#contents');
  expect(await contents.isVisible()).toBe(false);
  await page.getByRole('button', { name: 'Contents' }).click();
  await contents.getByRole('link', { name: 'Glossary' }).click();
  await page.locator('h1').getByText('Glossary').waitFor();
  expect(await contents.isVisible()).toBe(false);
  expect(complaints).toEqual([]);
});

test('the theme is that of the dashboard, or of the system', async () => {
  const ground = (page: Page): Promise<unknown> => page.evaluate('getComputedStyle(document.body).backgroundColor');
  const { page } = await open(addressOf('/'), { colorScheme: 'dark' });
  const dark = await ground(page);
  await page.evaluate(`localStorage.setItem('lossmeter-theme', 'light')`);
  await page.reload();
  expect([dark, await ground(page)]).toEqual(['rgb(21, 27, 38)', 'rgb(255, 255, 255)']);
});

describe.each(['light', 'dark'] as const)('%s', (colorScheme) => {
  test.each([390, 1440])('nobody is kept out, and nothing overflows, at %d px', async (width) => {
    for (const name of ['index', 'getting-started', 'evaluate', 'diagnostics', 'architecture', 'faq', 'adr/index']) {
      const { page } = await open(addressOf(`/${name}.html`), { width, colorScheme });
      expect(await findBarriers(page), name).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth'), name).toBe(width);
    }
    const { page } = await open(addressOf('/'), { width, colorScheme });
    await page.locator('#search').fill('mask');
    await page.locator('#results a').first().waitFor();
    expect(await findBarriers(page), 'with results').toEqual([]);
    const { x, width: taken } = (await page.locator('#results').boundingBox())!;
    expect([x >= 0, x + taken <= width], 'within the screen').toEqual([true, true]);
  });
});
