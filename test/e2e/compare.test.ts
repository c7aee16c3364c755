import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbersOf } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { readSafetensors, safetensorsFile } from '../safetensors-file.ts';
import { ROOT } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-compare-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FIXTURES = join(ROOT, 'test/fixtures/llama-kld');
const BASE = join(FIXTURES, 'base.kld');
const NEAR = join(FIXTURES, 'near.safetensors');

function compare(...args: string[]) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LOSSMETER_')));
  const command = [join(ROOT, 'src/cli/bin.js'), 'compare', ...args];
  return spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8', env, timeout: 60_000 });
}

interface Document {
  total: Omit<Comparison, 'outputs'>;
  files: (Omit<Comparison, 'outputs'> & { file: string; reference: string })[];
}

function compareJson(...args: string[]): Document {
  const { stdout, stderr } = compare('--json', ...args);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Document;
}

const { tensors } = readSafetensors(readFileSync(NEAR));
const near = { logits: tensors['logits']!, label: tensors['label']! };
const ROWS = near.logits.shape[0]!;
const CLASSES = near.logits.shape[1]!;

const rowsOf = ({ dtype, shape, data }: Tensor, from: number, to: number): Tensor => {
  const rowBytes = data.byteLength / shape[0]!;
  return { dtype, shape: [to - from, ...shape.slice(1)], data: data.subarray(from * rowBytes, to * rowBytes) };
};

function write(name: string, entries: Record<string, Tensor>, metadata?: Record<string, string>): string {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), safetensorsFile(Object.entries(entries), metadata));
  return name;
}

/** A model that is a little off. */
const farther = {
  ...near.logits,
  data: encodeElements(
    'logits',
    'float32',
    Array.from(numbersOf(near.logits), (x, k) => x + 0.1 * Math.sin(k)),
  ),
};

const CUTS = [0, 100, 101, 333, ROWS];
CUTS.slice(1).forEach((to, k) => {
  const from = CUTS[k]!;
  write(`parts/${k}.safetensors`, {
    logits: rowsOf(near.logits, from, to),
    label: rowsOf(near.label, from, to),
  });
  write(`bases/${k}.safetensors`, { logits: rowsOf(farther, from, to) });
});
write('base.safetensors', { logits: farther });
write('both.safetensors', { reference: farther, logits: near.logits, label: near.label });

describe('the table of llama-perplexity', () => {
  const printed = readFileSync(join(FIXTURES, 'near.table.txt'), 'utf8').trimEnd().split('\n');
  const { stdout, status } = compare('--reference', BASE, NEAR);
  const own = stdout.trimEnd().split('\n');
  const numbersIn = (line: string): number[] => (line.match(/-?\d+\.\d+/g) ?? []).map(Number);
  const wordsIn = (line: string): string => line.replaceAll(/-?\d+\.\d+(?=\s|%|$)/g, '#').replaceAll(/ +/g, ' ');
  const NAMED = /%   KLD|%   Δp/;

  test('has its lines', () => {
    expect(status).toBe(0);
    expect(own.map(wordsIn)).toEqual(printed.map(wordsIn));
    expect(own.map((line) => line.length)).toEqual(printed.map((line) => line.length));
  });

  test.each(printed.map((line, k) => [k, line] as const).filter(([, line]) => numbersIn(line).length > 0))(
    'line %d: %s',
    (k, line) => {
      const [ours, theirs] = [numbersIn(own[k]!), numbersIn(line)];
      expect(ours).toHaveLength(theirs.length);
      theirs.forEach((value, place) => {
        // The first number of a percentile is its name. Agreement may differ by a row.
        const isName = NAMED.test(line) && place === 0;
        const isTop = line.startsWith('Same top') || (k > 0 && k < 9 && place >= 8);
        const isPerplexity = line.startsWith('Mean PPL') || (k < 9 && place < 2);
        const most = isName
          ? 0
          : isTop
            ? 100 / (63 * Math.min(k, 8)) + 0.02
            : isPerplexity
              ? Math.max(2e-5 * Math.abs(value), 1e-3)
              : 2e-3 * Math.abs(value) + (line.includes('Δp') || k < 9 ? 1e-3 : 4e-6);
        expect(Math.abs(ours[place]! - value), `${ours[place]} for ${value}`).toBeLessThanOrEqual(most);
      });
    },
  );
});

describe('many files are one', () => {
  test('with the bits of one file, against a llama.cpp logit file', () => {
    const whole = compareJson('--reference', BASE, NEAR);
    const parts = compareJson('--reference', BASE, 'parts');
    expect(parts.total).toEqual(whole.total);
    expect(parts.files.map(({ rows }) => rows.total)).toEqual(CUTS.slice(1).map((to, k) => to - CUTS[k]!));
    expect(compare('--reference', BASE, 'parts').stdout).toBe(compare('--reference', BASE, NEAR).stdout);
  });

  test('against a file each, or one that has both', () => {
    const whole = compareJson('--reference', 'base.safetensors', NEAR);
    const parts = compareJson('--reference', 'bases', 'parts/*.safetensors', '--workers', '2');
    const both = compareJson('both.safetensors');
    expect(parts.total).toEqual(whole.total);
    expect(both.total).toEqual(whole.total);
    expect(parts.files[1]).toMatchObject({ file: 'parts/1.safetensors', reference: 'bases/1.safetensors' });
    expect(whole.total.kl_divergence.mean).toBeGreaterThan(1e-3);
    expect(whole.total.diagnostics.truncated).toBe(false);
  });

  test('worst rows and places are those of the whole', () => {
    const values = numbersOf(near.logits).slice();
    values[400 * CLASSES + 7] = Number.NaN;
    const broken = { ...near.logits, data: encodeElements('logits', 'float32', [...values]) };
    write('nan/0.safetensors', { logits: rowsOf(broken, 0, 300) });
    write('nan/1.safetensors', { logits: rowsOf(broken, 300, ROWS) });
    write('nan-base/0.safetensors', { logits: rowsOf(farther, 0, 300) });
    write('nan-base/1.safetensors', { logits: rowsOf(farther, 300, ROWS) });
    const { stdout, status } = compare('--json', '--reference', 'nan-base', 'nan');
    const { total } = JSON.parse(stdout) as Document;
    expect(status).toBe(1);
    expect(total.diagnostics).toMatchObject({
      verdict: 'non_finite',
      causes: [{ side: 'logits', cause: 'nan_logit', rows: 1, first: { row: 400, column: 7 } }],
      logits: { locations: [{ row: 400, column: 7 }] },
      nan_rows: 1,
    });
    expect(total.worst_rows[0]!.row).toBeGreaterThan(-1);
    expect(compare('--reference', 'nan-base', 'nan').stdout).toContain('NaN');
  });

  test('labels are left out where there are none', () => {
    write('plain.safetensors', { logits: near.logits });
    const { stdout, status } = compare('--reference', 'base.safetensors', 'plain.safetensors');
    expect(status).toBe(0);
    expect(stdout).toContain('KL divergence statistics');
    expect(stdout).toContain('Same top p');
    expect(stdout).not.toMatch(/PPL|Δp/);
  });
});

describe('a bound', () => {
  test.each([
    [['mean>0.01'], 0],
    [['mean>0.001'], 1],
    [['mean>0.01', 'max>0.0001'], 1],
    [['same_top<0.9', 'p99>0.1', 'ratio>1.01'], 0],
    [['same_top<=0.95'], 1],
    [['median >= 1e-9'], 1],
  ])('%j exits with %d', (bounds, expected) => {
    const { status, stderr } = compare(...bounds.flatMap((bound) => ['--fail-if', bound]), '--reference', BASE, NEAR);
    expect(status, stderr).toBe(expected);
    if (expected === 1) expect(stderr).toContain(bounds.at(-1)!);
    else expect(stderr).toBe('');
  });
});

test('the line of a file has the errors of the statistics, for equal models and small masks too', () => {
  const input_mask = {
    dtype: 'float64' as const,
    shape: [ROWS],
    data: encodeElements('mask', 'float64', Array(ROWS).fill(1e-200)),
  };
  const lineOf = (...args: string[]): string => compare(...args).stdout.split('\n')[1]!;
  const equal = write('equal.safetensors', { ...near, reference: near.logits });
  expect(lineOf(equal)).toContain('0.000 ±  0.000 %');
  const other = { logits: farther, label: near.label, reference: near.logits };
  const small = write('small.safetensors', { ...other, input_mask });
  expect(lineOf(small)).toBe(lineOf(write('weighed.safetensors', other)));
});

test('options are given', () => {
  const forward = compareJson('both.safetensors');
  const reverse = compareJson('--option', 'direction=reverse', '--options', '{"worst_rows": 2}', 'both.safetensors');
  expect(reverse.total.numerator).not.toBe(forward.total.numerator);
  expect(reverse.total.worst_rows).toHaveLength(2);
  write('named.safetensors', { p: farther, q: near.logits, label: near.label });
  const named = compareJson('--tensor', 'logits=q', '--tensor', 'reference=p', 'named.safetensors');
  expect(named.total).toEqual(forward.total);
});

writeFileSync(join(folder, 'empty.kld'), '');
writeFileSync(join(folder, 'short'), '_logi');
writeFileSync(join(folder, 'empty.safetensors'), '');

test.each([
  [[], 'no file is named'],
  [['--reference', BASE, 'parts/0.safetensors'], 'has 504 rows'],
  [['--reference', BASE, NEAR, 'parts/0.safetensors'], '100 rows of logits follow 504'],
  [['--reference', 'bases', NEAR], '4 references are named for 1 files'],
  [['--reference', BASE, '--reference', 'base.safetensors', NEAR], 'expected it as the only reference'],
  [[NEAR], 'name the file of the reference with --reference'],
  [['--reference', 'nothing.kld', NEAR], 'nothing.kld: there is no such file'],
  [['--reference', 'base.safetensors', 'parts/0.safetensors'], 'reference has shape (504, 320)'],
  [['--reference', 'empty.kld', NEAR], 'empty.kld is not a valid llama.cpp logit file: it is empty'],
  [['--reference', 'short', NEAR], 'short is not a valid llama.cpp logit file: it has 5 bytes'],
  [['--reference', 'empty.safetensors', NEAR], 'empty.safetensors is not a valid safetensors file: it is empty'],
  [[BASE], 'it is a logit file of llama.cpp (.kld); it is a reference'],
  [['--fail-if', 'mean', NEAR], "such as 'mean>0.01'"],
  [['--fail-if', 'meen>1', NEAR], 'did you mean mean?'],
  [['--fail-if', 'ratio>1', '--reference', 'base.safetensors', 'plain.safetensors'], 'needs labels'],
  [['--option', 'direktion=reverse', 'both.safetensors'], 'did you mean direction?'],
  [['--option', 'direction=reverse', '--reference', BASE, NEAR], 'expected forward with a llama.cpp logit file'],
  [['--option', 'outputs=["nll"]', 'both.safetensors'], 'outputs are tensors'],
  [['--tensor', 'weight=w', 'both.safetensors'], 'FIELD one of logits, reference, label, input_mask'],
])('%j is refused', (args, says) => {
  const { status, stdout, stderr } = compare(...args);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toContain(says);
});

test('--help says what there is', () => {
  const { status, stdout } = compare('--help');
  expect(status).toBe(0);
  expect(stdout).toContain('--fail-if');
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});
