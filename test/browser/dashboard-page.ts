/** Opens the dashboard in a real browser, and reads the parts of it that have no text, such as markers on a canvas. */
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import type { Service } from '../service.ts';

/** Folder of screenshots, to look at after a failure. */
const ARTEFACTS = new URL('../../test-results/dashboard/', import.meta.url).pathname;

let browser: Browser;

/** Starts a browser before the tests of this file, and closes it after. */
export function useBrowser(): void {
  beforeAll(async () => {
    mkdirSync(ARTEFACTS, { recursive: true });
    browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox'],
    });
  });
  afterAll(() => browser?.close());
}

export interface Opened {
  page: Page;
  /** Complaints of the browser. */
  complaints: string[];
}

export async function openDashboard(
  { url }: Pick<Service, 'url'>,
  hash = '#/',
  options: BrowserContextOptions = {},
): Promise<Opened> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  onTestFinished(() => page.close());
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${url}/${hash}`);
  return { page, complaints };
}

export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${ARTEFACTS}${name}.png`, fullPage: true });
}

/** The chart, which is a single slider for keyboards and screen readers. */
export const chartOf = (page: Page) => page.getByRole('slider', { name: 'Loss curve' });

/** Waits until the curve has a point of this step at its end. */
export async function waitForStep(page: Page, step: number, timeout = 5000): Promise<void> {
  await page.locator(`[role=slider][aria-label="Loss curve"][aria-valuemax="${step}"]`).waitFor({ timeout });
}

/**
 * Place in the chart where a colour is drawn, in pixels of the page: the middle of the densest column. The
 * markers are on a canvas, which has no elements.
 * @param within the element that holds the chart
 */
export async function placeOfColour(
  page: Page,
  variable: string,
  within = '.chart',
): Promise<{ x: number; y: number } | null> {
  await page.locator(`${within} canvas`).first().waitFor();
  const script = `(() => {
    const colour = getComputedStyle(document.documentElement).getPropertyValue('${variable}').trim();
    const wanted = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
    const canvas = document.querySelector(${JSON.stringify(`${within} canvas`)});
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    let best = { count: 0 };
    for (let x = 0; x < width; x++) {
      const rows = [];
      for (let y = 0; y < height; y++) {
        const at = 4 * (y * width + x);
        if (data[at + 3] > 250 && wanted.every((part, k) => Math.abs(data[at + k] - part) < 8)) rows.push(y);
      }
      if (rows.length > best.count) best = { count: rows.length, x, y: (rows[0] + rows.at(-1)) / 2 };
    }
    if (best.count < 4) return null;
    const box = canvas.getBoundingClientRect();
    return { x: box.left + (best.x / width) * box.width, y: box.top + (best.y / height) * box.height };
  })()`;
  return (await page.evaluate(script)) as { x: number; y: number } | null;
}
