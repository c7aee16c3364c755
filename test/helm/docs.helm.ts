/** The commands of docs/kubernetes.md. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { read, readBlocks, ROOT } from '../docs/pages.ts';
import { helm, validate, workloadOf } from './chart.ts';
import { containerOf, findPodViolations } from './pod-policy.ts';
import { findBrokenReferences } from './references.ts';

const path = 'docs/kubernetes.md';
const blocks = readBlocks({ path, text: read(path) });
const lines = blocks.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.trim().split('\n'));
const installations = lines.filter((line) => line.startsWith('helm '));

/** A folder with the files of the page. */
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lossmeter-kubernetes-'));
  symlinkSync(join(ROOT, 'deploy'), join(folder, 'deploy'));
  for (const { place, language, text } of blocks.filter(({ language }) => language === 'yaml')) {
    const name = /^# (\S+\.yaml)\n/.exec(text)?.[1];
    expect(name, `${place}: ${language} without the name of its file`).toBeDefined();
    writeFileSync(join(folder, name!), text);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Renders what a command would install. */
async function rendered(command: string): Promise<string> {
  const { status, stdout, stderr } = await helm(['template', ...command.split(' ').slice(2)], { cwd: folder });
  expect(status, stderr).toBe(0);
  return stdout;
}

test('the page has commands of these kinds only', () => {
  expect(installations.length).toBeGreaterThan(4);
  expect(lines.filter((line) => !/^(?:helm install|kubectl|docker|npx lossmeter keys) /.test(line))).toEqual([]);
});

describe('an example is rendered, and follows the policy:', () => {
  test.each(installations)('%s', async (line) => {
    const manifests = await rendered(line);
    const { documents, problems } = validate({ manifests });
    expect(problems).toEqual([]);
    expect(findPodViolations(documents['manifests']!)).toEqual([]);
    expect(findBrokenReferences(documents['manifests']!)).toEqual([]);
    expect(containerOf(documents['manifests']!).image).toBe('registry.example.org/lossmeter:0.1.0');
    expect(workloadOf(documents['manifests']!).metadata.namespace).toBe('loss');
  });
});

test('the Secrets that the page creates are those that the examples ask for', async () => {
  const created = lines.flatMap((line) => /create secret generic (\S+)/.exec(line)?.[1] ?? []);
  const all = (await Promise.all(installations.map(rendered))).join('\n');
  expect(created).toHaveLength(3);
  expect(created.filter((name) => !new RegExp(`(?:secretName|name): ${name}$`, 'm').test(all))).toEqual([]);
});

test('the page names the first and the last version of Kubernetes that is checked', () => {
  expect(read(path)).toContain('Kubernetes 1.27 to 1.37');
});
