import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { numbersOf } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { readSafetensors, safetensorsFile } from '../safetensors-file.ts';
import { MSGPACK, Service } from '../service.ts';
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

/** Logits of a slightly different model. */
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
        // The first number of a percentile line is its name. Agreement may differ by one row.
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

describe('a file that is named again is counted once, and named on stderr', () => {
  const once = compareJson('both.safetensors');

  test.each([
    ['by its name', ['both.safetensors', 'both.safetensors'], 'both.safetensors'],
    [
      'by another path',
      ['both.safetensors', './both.safetensors'],
      './both.safetensors (the same file as both.safetensors)',
    ],
    ['by a pattern', ['both.safetensors', 'bot*.safetensors'], 'both.safetensors'],
    ['by a link', ['both.safetensors', 'linked'], join('linked', 'z.safetensors (the same file as both.safetensors)')],
  ])('%s', (_, files, says) => {
    mkdirSync(join(folder, 'linked'), { recursive: true });
    rmSync(join(folder, 'linked/z.safetensors'), { force: true });
    symlinkSync(join(folder, 'both.safetensors'), join(folder, 'linked/z.safetensors'));
    const { stdout, stderr, status } = compare('--json', ...files);
    expect(status).toBe(0);
    expect(stderr).toBe(`these files are named more than once, but are counted once: ${says}\n`);
    expect(JSON.parse(stdout)).toEqual(once);
  });

  test('but a reference may be linked for each of several files', () => {
    mkdirSync(join(folder, 'references'), { recursive: true });
    for (const name of ['0', '1']) {
      symlinkSync(join(folder, 'bases/0.safetensors'), join(folder, `references/${name}.safetensors`));
    }
    write('copies/0.safetensors', { logits: rowsOf(near.logits, 0, 100) });
    write('copies/1.safetensors', { logits: rowsOf(near.logits, 0, 100) });
    const { total } = compareJson('--reference', 'references', 'copies');
    expect(total.rows.total).toBe(200);
    const { stdout, stderr } = compare('--json', '--reference', 'bases/0.safetensors', 'copies/0.safetensors');
    expect(stderr).toBe('');
    expect(total.kl_divergence.mean).toBe((JSON.parse(stdout) as Document).total.kl_divergence.mean);
  });
});

describe('sequences of files with segments', () => {
  const service = Service.start({ inlineLogits: 2 ** 24 });
  const lengthsOf = (lengths: number[]): Tensor => ({
    dtype: 'int64',
    shape: [lengths.length],
    data: encodeElements('segments', 'int64', lengths),
  });
  const LENGTHS = [
    [40, 0, 60],
    [150, 254],
  ];
  LENGTHS.forEach((lengths, k) => {
    const [from, to] = k === 0 ? [0, 100] : [100, ROWS];
    const fields = { logits: near.logits, reference: farther, label: near.label };
    const rows = Object.entries(fields).map(([name, tensor]) => [name, rowsOf(tensor, from, to)] as const);
    write(`segmented/${k}.safetensors`, { ...Object.fromEntries(rows), segments: lengthsOf(lengths) });
  });

  /** The sequences that the service lists for all rows. */
  async function listed(lengths: number[], shift: number): Promise<Comparison['sequences']> {
    const request = {
      ...{ reference: farther, logits: near.logits, label: near.label, segments: lengths },
      options: { outputs: ['sequences'], shift },
    };
    const { body } = await service.post(request, { type: MSGPACK, path: '/v1/kl-divergence' });
    return (body as unknown as Comparison).sequences;
  }

  test.each([0, 3])('are those that the service lists, with shift %d', async (shift) => {
    const { total, files } = compareJson('segmented', '--option', `shift=${shift}`);
    const expected = await listed(LENGTHS.flat(), shift);
    expect(total.sequences).toHaveLength(5);
    expect(total.sequences).toEqual(expected);
    expect(files.flatMap(({ sequences }) => sequences)).toEqual(expected);
  });

  test('are also those of files without segments, along the axis before the classes', async () => {
    const rest = Object.fromEntries(
      Object.entries({ logits: near.logits, reference: farther, label: near.label }).map(([name, tensor]) => [
        name,
        rowsOf(tensor, 100, ROWS),
      ]),
    );
    write('unsegmented.safetensors', rest);
    const { total, files } = compareJson('segmented/0.safetensors', 'unsegmented.safetensors');
    expect(total.sequences).toEqual(await listed([...LENGTHS[0]!, ROWS - 100], 0));
    expect(files.map(({ sequences }) => sequences!.length)).toEqual([3, 1]);
  });

  test('are not listed where no file has segments', () => {
    expect(compareJson('both.safetensors').total).not.toHaveProperty('sequences');
  });

  test('may have another name, and are refused where they do not fill the rows', () => {
    const parts = { logits: near.logits, reference: farther };
    write('lengths.safetensors', { ...parts, lengths: lengthsOf([4, ROWS - 4]) });
    expect(compareJson('--tensor', 'segments=lengths', 'lengths.safetensors').total.sequences).toHaveLength(2);
    write('wrong.safetensors', { ...parts, segments: lengthsOf([4]) });
    const { status, stderr } = compare('wrong.safetensors');
    expect(status).toBe(2);
    expect(stderr).toContain(`wrong.safetensors: segments sum to 4, expected ${ROWS}`);
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
  [['--reference', BASE, NEAR, 'parts/0.safetensors'], 'the files have at least 604 rows of logits, but'],
  [['--reference', 'bases', NEAR], '4 references are named for 1 files'],
  [['--reference', BASE, '--reference', 'base.safetensors', NEAR], 'it must be the only reference'],
  [[NEAR], 'name the file of the reference with --reference'],
  [['--reference', 'nothing.kld', NEAR], 'nothing.kld: no file has this name or matches it'],
  [['--reference', 'base.safetensors', 'parts/0.safetensors'], 'reference has shape (504, 320)'],
  [['--reference', 'empty.kld', NEAR], 'empty.kld is not a valid llama.cpp logit file: it is empty'],
  [['--reference', 'short', NEAR], 'short is not a valid llama.cpp logit file: it has 5 bytes'],
  [['--reference', 'empty.safetensors', NEAR], 'empty.safetensors is not a valid safetensors file: it is empty'],
  [[BASE], 'it is a logit file of llama.cpp (.kld); use it as the reference'],
  [['--fail-if', 'mean', NEAR], "such as 'mean>0.01'"],
  [['--fail-if', 'meen>1', NEAR], 'did you mean mean?'],
  [['--fail-if', 'ratio>1', '--reference', 'base.safetensors', 'plain.safetensors'], 'needs labels'],
  [['--option', 'direktion=reverse', 'both.safetensors'], 'did you mean direction?'],
  [['--option', 'direction=reverse', '--reference', BASE, NEAR], 'expected forward with a llama.cpp logit file'],
  [['--option', 'outputs=["nll"]', 'both.safetensors'], 'outputs are tensors'],
  [['--tensor', 'weight=w', 'both.safetensors'], 'FIELD one of logits, reference, label, input_mask, segments'],
])('%j is refused', (args, says) => {
  const { status, stdout, stderr } = compare(...args);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toContain(says);
});

test('--help says what there is', () => {
  const { status, stdout } = compare('--help');
  expect(status).toBe(0);
  expect(stdout).toContain('--fail-if');
});
