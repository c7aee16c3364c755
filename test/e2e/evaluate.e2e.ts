import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Total } from '../../src/pipeline/evaluate-file.ts';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { FOREIGN_FILES } from '../foreign-files.ts';
import { safetensorsFile, withHeader } from '../safetensors-file.ts';
import { ROOT } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-evaluate-'));
afterAll(() => rmSync(folder, { recursive: true }));

const EXAMPLE = join(ROOT, 'examples/char-lm.safetensors');

function evaluate(...args: string[]) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LOSSMETER_')));
  const command = [join(ROOT, 'src/cli/bin.js'), 'evaluate', ...args];
  return spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8', env, timeout: 30_000 });
}

interface Document {
  total: Total;
  files: (Evaluation & { file: string })[];
}

function evaluateJson(...args: string[]): Document {
  const { stdout, stderr } = evaluate('--json', ...args);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Document;
}

const logits = (rows: number[][]): Tensor => ({
  dtype: 'float64',
  shape: [rows.length, rows[0]!.length],
  data: encodeElements('logits', 'float64', rows.flat()),
});

const label = (classes: number[]): Tensor => ({
  dtype: 'int32',
  shape: [classes.length],
  data: encodeElements('label', 'int32', classes),
});

/** Writes a file of rows with the label 0. */
function write(
  name: string,
  rows: number[][],
  { metadata, more = [] }: { metadata?: Record<string, string>; more?: [string, Tensor][] } = {},
): void {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  const tensors: [string, Tensor][] = [['label', label(rows.map(() => 0))], ['logits', logits(rows)], ...more];
  writeFileSync(join(folder, name), safetensorsFile(tensors, metadata));
}

const loss = (row: number[]): number => Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[0]!;

write('steps/b.safetensors', [
  [0, 1],
  [2, 0],
]);
write('steps/a.safetensors', [[0, 3]]);
write('steps/c.safetensors', [
  [1, 1],
  [0, 0],
  [5, 0],
]);
write('deep/x/y/d.safetensors', [[0, 0]]);
writeFileSync(join(folder, 'steps/notes.txt'), 'not a file of tensors');
const losses = [
  [0, 3],
  [0, 1],
  [2, 0],
  [1, 1],
  [0, 0],
  [5, 0],
].map(loss);
const numerator = losses.reduce((sum, each) => sum + each, 0);

test('one file has the loss that the service answers', () => {
  const { total, files } = evaluateJson(EXAMPLE);
  expect(total.loss).toBeCloseTo(1.331238290743388, 8);
  expect(total).toMatchObject({
    denominator: 8113,
    rows: { total: 8192, counted: 8113, masked: 79 },
    verdict: 'finite',
  });
  const { file, diagnostics, kernel, ...evaluation } = files[0]!;
  expect(file).toBe(EXAMPLE);
  expect(diagnostics.verdict).toBe('finite');
  expect(kernel).toMatch(/^f32-/);
  // The total of one file has the bits of the file.
  expect({ ...evaluation, verdict: 'finite' }).toEqual(total);
});

describe('many files are one evaluation, in the order of their names', () => {
  const NAMES = ['steps/a.safetensors', 'steps/b.safetensors', 'steps/c.safetensors'];

  test.each([
    ['files', ['steps/c.safetensors', 'steps/a.safetensors', 'steps/b.safetensors']],
    ['a folder', ['steps']],
    ['a pattern', ['steps/*.safetensors']],
  ])('%s', (_what, args) => {
    const { total, files } = evaluateJson(...args);
    expect(total.numerator).toBeCloseTo(numerator, 12);
    expect(total.loss).toBeCloseTo(numerator / (6 + 1e-8), 12);
    expect(total).toMatchObject({ denominator: 6, rows: { total: 6, counted: 6 } });
    expect(files.map(({ file }) => file)).toEqual(NAMES);
  });

  test('the table has a line for each, and the total', () => {
    const { stdout, stderr, status } = evaluate('steps');
    expect([status, stderr]).toEqual([0, '']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(lines[0]).toEqual(['file', 'rows', 'counted', 'loss', 'numerator', 'denominator', 'perplexity']);
    expect(lines.slice(1).map((line) => line.slice(0, 3))).toEqual([
      ...NAMES.map((name, k) => [name, `${k + 1}`, `${k + 1}`]),
      ['total', '6', '6'],
    ]);
    expect(Number(lines.at(-1)![4])).toBeCloseTo(numerator, 6);
  });

  test('folders within folders are named by a pattern', () => {
    expect(evaluateJson('{steps,deep}/**/*.safetensors').files).toHaveLength(4);
  });

  test('whatever the number of workers, with the same bits', () => {
    for (const name of ['1', '2', '3']) copyFileSync(EXAMPLE, join(folder, `copy-${name}.safetensors`));
    const [one, three] = ['1', '3'].map((workers) =>
      evaluateJson('copy-*', '--workers', workers, '--kernel', 'strict'),
    );
    expect(three).toEqual(one);
    expect(one!.files[0]!.kernel).toBe('f32-strict-simd');
    expect(one!.total.rows.total).toBe(3 * 8192);
  });
});

describe('a file that is named again is counted once, and named on stderr', () => {
  test.each([
    ['by its name', ['steps/a.safetensors', 'steps/a.safetensors'], 'steps/a.safetensors'],
    ['by a folder', ['steps/a.safetensors', 'steps'], 'steps/a.safetensors'],
    ['by a pattern', ['steps', 'steps/[bc].safetensors'], 'steps/b.safetensors; steps/c.safetensors'],
    [
      'by other paths',
      ['./steps/b.safetensors', join(folder, 'steps/b.safetensors')],
      `${join(folder, 'steps/b.safetensors')} (the same file as ./steps/b.safetensors)`,
    ],
    ['by a link', ['steps', 'again.safetensors'], 'again.safetensors (the same file as steps/b.safetensors)'],
  ])('%s', (_, files, says) => {
    rmSync(join(folder, 'again.safetensors'), { force: true });
    symlinkSync(join(folder, 'steps/b.safetensors'), join(folder, 'again.safetensors'));
    const { stdout, stderr, status } = evaluate('--json', ...files);
    expect(status).toBe(0);
    expect(stderr).toBe(`these files are named more than once, but are counted once: ${says}\n`);
    const { total, files: found } = JSON.parse(stdout) as Document;
    const names = found.map(({ file }) => file);
    expect(new Set(names).size).toBe(names.length);
    expect(total).toEqual(evaluateJson(...names).total);
  });

  test('and of many only a few are named', () => {
    for (let k = 0; k < 12; k++) write(`many/${k}.safetensors`, [[0, k]]);
    const { stderr } = evaluate('many', 'many/*');
    expect(stderr.match(/many\/\d+\.safetensors/g)).toHaveLength(8);
    expect(stderr).toContain('; and 4 more');
  });
});

describe('options', () => {
  test('are those of the files', () => {
    write(
      'sum.safetensors',
      [
        [0, 0],
        [0, 0],
      ],
      { metadata: { options: '{"reduction": "sum", "outputs": ["lse"]}' } },
    );
    const { total, files } = evaluateJson('sum.safetensors');
    expect(total.loss).toBeCloseTo(2 * Math.LN2, 12);
    expect(files[0]).not.toHaveProperty('outputs');
  });

  test('on the command line take their place, one by one', () => {
    const args = ['--options', '{"reduction": "mean", "metrics": ["accuracy"]}', '--option', 'semantics=torch'];
    const { total } = evaluateJson('sum.safetensors', ...args);
    expect(total).toMatchObject({ loss: expect.closeTo(Math.LN2, 12) as number, metrics: { accuracy: 1 } });
    expect(evaluateJson('sum.safetensors', ...args, '--option', 'reduction=sum').total.loss).toBeCloseTo(
      2 * Math.LN2,
      12,
    );
    expect(evaluateJson('sum.safetensors', '--option', 'reduction=none').total).not.toHaveProperty('loss');
  });

  test('have to be the same for all files', () => {
    const { status, stderr } = evaluate('sum.safetensors', 'steps/a.safetensors');
    expect(status).toBe(2);
    expect(stderr).toContain('reduction is "mean" in steps/a.safetensors, and "sum" in sum.safetensors');
  });

  test.each([
    ['class_axis', { class_axis: 1 }, { class_axis: 0 }],
    ['what is reported of a file', { max_locations: 1, on_non_finite: 'reject' }, { gradient_dtype: 'float32' }],
    ['its groups', { parallel_config: { data_parallel: 2 } }, { check_for_nan_in_loss_and_grad: true }],
    ['the form of the labels that are left out', { ignore_index: -100 }, { ignore_index: [-100, -100] }],
    ['the order of names', { metrics: ['accuracy', 'ece'] }, { metrics: ['ece', 'accuracy'] }],
  ])('may differ where sums add up nonetheless: %s', (_what, one, other) => {
    const rows = [
      [0, 1],
      [2, 0],
    ];
    write('alike/a.safetensors', rows, { metadata: { options: JSON.stringify(one) } });
    write('alike/b.safetensors', rows, { metadata: { options: JSON.stringify(other) } });
    const { total, files } = evaluateJson('alike');
    expect(total.rows.total).toBe(4);
    expect(total.numerator).toBeCloseTo(files[0]!.numerator + files[1]!.numerator, 12);
  });

  test('mask and weights of a file count', () => {
    const weight: Tensor = { dtype: 'float64', shape: [2], data: encodeElements('weight', 'float64', [3, 1]) };
    const mask: Tensor = { dtype: 'bool', shape: [2], data: Uint8Array.of(0, 1) };
    write(
      'weighed.safetensors',
      [
        [Number.NaN, 0],
        [0, 1],
      ],
      {
        more: [
          ['input_mask', mask],
          ['weight', weight],
        ],
      },
    );
    expect(evaluateJson('weighed.safetensors').total).toMatchObject({
      numerator: expect.closeTo(3 * loss([0, 1]), 12) as number,
      denominator: 3,
      rows: { total: 2, counted: 1, ignored: 0, masked: 1 },
    });
  });

  test('ece and the z-loss are those of one batch', () => {
    const args = ['--options', '{"metrics": ["ece", "mean_entropy"], "lse_square_scale": 0.5, "semantics": "torch"}'];
    write('all.safetensors', [
      [0, 3],
      [0, 1],
      [2, 0],
      [1, 1],
      [0, 0],
      [5, 0],
    ]);
    const [apart, whole] = [['steps'], ['all.safetensors']].map((names) => evaluateJson(...names, ...args).total);
    expect(apart!.loss).toBeCloseTo(whole!.loss!, 12);
    expect(apart!.z_loss).toBeCloseTo(whole!.z_loss, 12);
    expect(apart!.metrics.ece).toBeCloseTo(whole!.metrics.ece!, 12);
    expect(apart!.metrics.mean_entropy).toBeCloseTo(whole!.metrics.mean_entropy!, 12);
  });
});

describe('a loss that is not finite', () => {
  write('nan.safetensors', [
    [0, 1],
    [0, Number.NaN],
  ]);

  test('exits with 1, and says why', () => {
    const { status, stdout } = evaluate('nan.safetensors', 'steps/a.safetensors');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^total .* NaN /m);
    expect(stdout).toContain('nan.safetensors: NaN in 1 of 2 rows; first at row 1, class 1 (not the label)');
  });

  test('is text in JSON', () => {
    const { status, stdout } = evaluate('--json', 'nan.safetensors');
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      total: { loss: 'NaN', verdict: 'non_finite' },
      files: [{ diagnostics: { logits: { nan: 1 } } }],
    });
  });

  test('exits with 1 when it is rejected', () => {
    const { status, stderr } = evaluate('nan.safetensors', '--option', 'on_non_finite=reject');
    expect(status).toBe(1);
    expect(stderr).toContain('nan.safetensors: the loss is NaN: NaN in 1 of 2 rows');
  });
});

test('a numerator that is NaN is not hidden by the denominator of 0 that makes the mean 0', () => {
  const weight: Tensor = { dtype: 'float64', shape: [2], data: encodeElements('weight', 'float64', [0, 1]) };
  write('hidden.safetensors', [[Number.NaN, 1]], { more: [['weight', weight]] });
  const { status, stdout } = evaluate('--json', 'hidden.safetensors');
  const { total, files } = JSON.parse(stdout) as Document;
  expect(status).toBe(1);
  expect([total.loss, total.verdict, files[0]!.diagnostics.verdict]).toEqual([0, 'non_finite', 'non_finite']);
});

describe('tensors of other names', () => {
  const rows = [
    [0, 1],
    [2, 0],
  ];
  const targets: [string, Tensor] = ['targets', label([1, 0])];
  const kept: [string, Tensor] = ['loss_mask', { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) }];
  writeFileSync(join(folder, 'targets.safetensors'), safetensorsFile([targets, kept, ['scores', logits(rows)]]));
  const map = ['--tensor', 'label=targets', '--tensor', 'logits=scores'];

  test('are read where the command line names them', () => {
    const { total } = evaluateJson('targets.safetensors', ...map, '--tensor', 'input_mask=loss_mask');
    expect(total).toMatchObject({ rows: { total: 2, counted: 1, masked: 1 }, verdict: 'finite' });
    expect(total.numerator).toBeCloseTo(loss([1, 0]), 12);
  });

  test('are left alone, and named where they may have been meant', () => {
    const { status, stderr, stdout } = evaluate('targets.safetensors', ...map, '--json');
    expect([status, (JSON.parse(stdout) as Document).total.rows.counted]).toEqual([0, 2]);
    expect(stderr).toBe(
      'targets.safetensors: loss_mask is ignored; --tensor input_mask=loss_mask uses it as the input_mask\n',
    );
  });

  test('that are not there are refused', () => {
    const { status, stderr } = evaluate('targets.safetensors', ...map, '--tensor', 'weight=target');
    expect(status).toBe(2);
    expect(stderr).toContain('targets.safetensors has no tensor "target": did you mean "targets"?');
  });

  test('may have any dtype where they are not asked for', () => {
    for (const [k, dtype] of ['F8_E8M0', 'F4', 'C64', 'U3'].entries()) {
      const bytes = k + 1;
      const header = {
        __metadata__: null,
        hidden: { dtype, shape: [3, 5], data_offsets: [0, bytes] },
        label: { dtype: 'I32', shape: [1], data_offsets: [bytes, bytes + 4] },
        logits: { dtype: 'F64', shape: [1, 2], data_offsets: [bytes + 4, bytes + 20] },
      };
      const parts = [Buffer.alloc(bytes, 1), label([0]).data, logits([[0, 1]]).data];
      writeFileSync(join(folder, 'others.safetensors'), withHeader(` ${JSON.stringify(header)}`, ...parts));
      const { total } = evaluateJson('others.safetensors');
      expect(total.numerator, dtype).toBeCloseTo(loss([0, 1]), 12);
    }
  });
});

describe('wrong usage', () => {
  test('--help prints the usage', () => {
    const { status, stdout } = evaluate('--help');
    expect(status).toBe(0);
    expect(stdout).toContain('usage: lossmeter evaluate');
  });

  test.each([
    [[], 'no file is named'],
    [['steps', '--bananas'], 'unknown option --bananas'],
    [['steps', '--option', 'reduction'], 'expected NAME=VALUE'],
    [['steps', '--options', '[1]'], 'expected a JSON object'],
    [['steps', '--option', 'label_smothing=1'], 'did you mean label_smoothing?'],
    [['steps', '--option', 'label_smoothing=2'], 'options.label_smoothing is 2, expected a number in [0, 1]'],
    [['steps', '--option', 'outputs=["lse"]'], 'outputs are tensors'],
    [['steps', '--tensor', 'label'], 'expected FIELD=NAME such as label=targets'],
    [['steps', '--tensor', 'labels=targets'], 'FIELD one of logits, label, input_mask, weight'],
    [['steps', '--tensor', 'label='], 'expected FIELD=NAME'],
    [['steps', '--workers', '0'], 'LOSSMETER_WORKERS must be at least 1'],
    [['steps', '--kernel', 'fast'], 'LOSSMETER_KERNEL must be one of'],
  ])('%j', (args, says) => {
    const { status, stderr, stdout } = evaluate(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(says);
    expect(stderr).toContain('usage: lossmeter evaluate');
  });

  mkdirSync(join(folder, 'nothing'), { recursive: true });
  writeFileSync(join(folder, 'no-label.safetensors'), safetensorsFile([['logits', logits([[1, 2]])]]));
  const renamed: [string, Tensor][] = [
    ['targets', label([0])],
    ['logits', logits([[0, 1]])],
  ];
  writeFileSync(join(folder, 'renamed.safetensors'), safetensorsFile(renamed));
  const eighths = {
    label: { dtype: 'I32', shape: [1], data_offsets: [0, 4] },
    logits: { dtype: 'F8_E8M0', shape: [1, 2], data_offsets: [4, 6] },
  };
  writeFileSync(
    join(folder, 'eighths.safetensors'),
    withHeader(JSON.stringify(eighths), label([0]).data, Buffer.alloc(2)),
  );
  writeFileSync(join(folder, 'cut.safetensors'), safetensorsFile([['logits', logits([[1, 2]])]]).subarray(0, -1));
  write('wrong-option.safetensors', [[0, 0]], { metadata: { options: '{"smoothing": 1}' } });

  test.each([
    ['missing.safetensors', 'missing.safetensors: no file has this name or matches it'],
    ['nothing', 'nothing: the folder has no file *.safetensors'],
    ['noth*', 'noth*: no file has this name or matches it'],
    ['*.nothing', '*.nothing: no file has this name or matches it'],
    ['steps/notes.txt', 'steps/notes.txt is not a valid safetensors file'],
    ['cut.safetensors', 'it is cut off'],
    ['no-label.safetensors', 'no-label.safetensors: the field label is missing'],
    ['renamed.safetensors', 'the field label is missing: the file has the tensors "targets", "logits"'],
    ['renamed.safetensors', 'did you mean --tensor label=targets?'],
    ['targets.safetensors', 'the field logits is missing'],
    ['eighths.safetensors', 'logits.dtype is "F8_E8M0", expected one of F16, BF16, F32'],
    ['wrong-option.safetensors', 'wrong-option.safetensors: unknown option "smoothing", did you mean label_smoothing?'],
  ])('%s cannot be evaluated', (name, says) => {
    const { status, stderr, stdout } = evaluate('steps/a.safetensors', name);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(says);
    expect(stderr).not.toContain('usage:');
  });
});

test.each(Object.entries(FOREIGN_FILES))('%s is named for what it is', (name, { bytes, kind }) => {
  writeFileSync(join(folder, name), bytes);
  const { status, stderr } = evaluate(name);
  expect(status).toBe(2);
  expect(stderr).toContain(`${name} is not a valid safetensors file: it is ${kind};`);
});

test('the axis of the classes may be given, and a row alone', () => {
  write('columns/a.safetensors', [
    [1, 3, 5],
    [2, 1, 1],
  ]);
  const { total } = evaluateJson('--option', 'class_axis=-1', 'columns/a.safetensors');
  const moved = [
    [1, 2],
    [3, 1],
    [5, 1],
  ];
  const tensors: [string, Tensor][] = [
    ['label', label([0, 0])],
    ['logits', logits(moved)],
  ];
  writeFileSync(join(folder, 'columns/b.safetensors'), safetensorsFile(tensors));
  expect(evaluateJson('--option', 'class_axis=0', 'columns/b.safetensors').total).toEqual(total);
  const alone: [string, Tensor][] = [
    ['label', { ...label([0]), shape: [] }],
    ['logits', { ...logits([[1, 3, 5]]), shape: [3] }],
  ];
  writeFileSync(join(folder, 'columns/c.safetensors'), safetensorsFile(alone));
  expect(evaluateJson('columns/c.safetensors').total.numerator).toBeCloseTo(loss([1, 3, 5]), 12);
});
