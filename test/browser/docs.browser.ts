import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { Service } from '../service.ts';
import { startProxy } from './prefix-proxy.ts';

/** Host name other than loopback: browsers trust loopback more than other hosts over HTTP. */
const HOST = 'lossmeter.test';

let browser: Browser;
beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', `--host-resolver-rules=MAP ${HOST} 127.0.0.1`],
  });
});
afterAll(() => browser?.close());

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const apiKeysFile = join(folder, 'keys.json');
const keys = writeKeyOfEachScope(apiKeysFile);

/** Opens the manual, and collects what the browser complains about. */
async function openDocs({ url }: Pick<Service, 'url'>): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  await page.goto(`${url.replace('127.0.0.1', HOST)}/docs`);
  await page.waitForSelector('#operations-service-getInfo');
  return { page, complaints };
}

/** Calls /v1/info from the page. @returns the status that the page shows */
async function tryInfo(page: Page): Promise<string | null> {
  const operation = page.locator('#operations-service-getInfo');
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('.try-out__btn').click();
  await operation.locator('.execute').click();
  return shownStatus(page);
}

const shownStatus = (page: Page): Promise<string | null> =>
  page.locator('#operations-service-getInfo .live-responses-table .response .response-col_status').textContent();

describe('the manual in a browser', () => {
  const service = Service.start({ allowedHosts: HOST });

  test('shows every operation, under the headers that the service sends', async () => {
    const { page, complaints } = await openDocs(service);
    const document = (await (await service.get('/openapi.json')).json()) as { paths: Record<string, object> };
    const operations = Object.values(document.paths).flatMap((methods) => Object.keys(methods));
    expect(await page.locator('.opblock').count()).toBe(operations.length);
    await page.locator('#operations-evaluation-evaluateCrossEntropy .opblock-summary-control').click();
    await page.waitForSelector('#operations-evaluation-evaluateCrossEntropy .responses-table');
    // This colour shows that the style sheet was applied.
    const colour = await page.evaluate(
      `getComputedStyle(document.querySelector('.opblock-get .opblock-summary-method')).backgroundColor`,
    );
    expect(colour).toBe('rgb(97, 175, 254)');
    expect(complaints).toEqual([]);
  });

  test('calls the service', async () => {
    const { page, complaints } = await openDocs(service);
    expect(await tryInfo(page)).toContain('200');
    expect(await page.locator('.live-responses-table .microlight').first().textContent()).toContain('"lossmeter"');
    expect(complaints).toEqual([]);
  });
});

/** Operations that evaluate, by their tags. */
const EVALUATING = [
  ['evaluation', 'evaluateCrossEntropy'],
  ['evaluation', 'evaluatePartial'],
  ['evaluation', 'combinePartials'],
  ['evaluation', 'diagnose'],
  ['runs', 'recordBatch'],
  ['open inference', 'infer'],
  ['open inference', 'inferVersion'],
] as const;

/** Calls an operation from the page, with the values that the page proposes. @returns the status that the page shows */
async function tryOut(page: Page, tag: string, operationId: string): Promise<string> {
  const operation = page.locator(`[id="operations-${tag.replace(' ', '_')}-${operationId}"]`);
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('.try-out__btn').click();
  await operation.locator('.execute').click();
  const status = operation.locator('.live-responses-table .response .response-col_status');
  return (await status.first().textContent())!;
}

describe('“Try it out”', () => {
  const service = Service.start({ allowedHosts: HOST });

  test('calls every operation that evaluates', { timeout: 180_000 }, async () => {
    const { page, complaints } = await openDocs(service);
    for (const [tag, operationId] of EVALUATING)
      expect(await tryOut(page, tag, operationId), operationId).toMatch(/^20[01]/);
    expect(complaints).toEqual([]);
  });

  test('calls the service below a prefix', async () => {
    const proxy = await startProxy(() => service);
    onTestFinished(() => proxy.close());
    const { page, complaints } = await openDocs(proxy);
    const [tag, operationId] = EVALUATING[0];
    expect(await tryOut(page, tag, operationId)).toMatch(/^200/);
    expect(complaints).toEqual([]);
  });

  test('asks for a file where the body cannot be typed', async () => {
    const { page } = await openDocs(service);
    const operation = page.locator('#operations-evaluation-evaluateCrossEntropy');
    await operation.locator('.opblock-summary-control').click();
    await operation.locator('.try-out__btn').click();
    await operation.locator('.opblock-section-request-body .content-type').selectOption('application/vnd.safetensors');
    await operation
      .locator('.opblock-section-request-body input[type=file]')
      .setInputFiles(fileURLToPath(new URL('../../examples/char-lm.safetensors', import.meta.url)));
    await operation.locator('.execute').click();
    const status = operation.locator('.live-responses-table .response .response-col_status');
    expect(await status.first().textContent()).toMatch(/^200/);
  });

  test('shows a problem of its own for every status', async () => {
    const { page } = await openDocs(service);
    const operation = page.locator('#operations-evaluation-evaluateCrossEntropy');
    await operation.locator('.opblock-summary-control').click();
    for (const status of [400, 413, 422, 503]) {
      const row = operation.locator(`.responses-table .response[data-code="${status}"]`);
      expect(await row.locator('.microlight').first().textContent()).toContain(`"status": ${status}`);
    }
  });
});

describe('the manual of a service with keys', () => {
  const service = Service.start({ apiKeysFile });

  test('takes a key, and sends it', async () => {
    const { page, complaints } = await openDocs(service);
    expect(await tryInfo(page)).toContain('401');
    await page.locator('.auth-wrapper .authorize').first().click();
    await page.locator('.auth-container input').first().fill(keys.read);
    await page.locator('.auth-btn-wrapper .authorize').first().click();
    await page.locator('.btn-done').first().click();
    await page.locator('#operations-service-getInfo .execute').click();
    await vi.waitFor(async () => expect(await shownStatus(page)).toContain('200'), 10_000);
    // The browser itself logs the 401.
    expect(complaints.filter((complaint) => !complaint.includes('401'))).toEqual([]);
  });
});
