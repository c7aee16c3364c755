import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elementsOf, numbersOf } from '../../../src/tensor/tensor.ts';
import type { DType } from '../../../src/tensor/dtype.ts';
import { JsonScanner } from '../../../src/wire/json-text/scanner.ts';
import { NumberArray } from '../../../src/wire/json-text/number-array.ts';
import { tensorFromValue } from '../../../src/wire/tensors/tensor-value.ts';
import { shareOf } from '../../lists.ts';
import { TIMED } from '../../timed.ts';

const scan = (text: string): unknown => new JsonScanner(Buffer.from(text), 64).scan();
const scanNumbers = (text: string): NumberArray =>
  (new JsonScanner(Buffer.from(`{"data":${text}}`), 64, { readingOf: () => 'numbers' }).scan() as { data: NumberArray })
    .data;
const valuesOf = (numbers: NumberArray): number[] => [...numbers.runs()].flatMap((run) => Array.from(run));

/** Result of an action, or a mark that it throws. */
const outcome = (action: () => unknown): unknown => {
  try {
    return action();
  } catch {
    return 'throws';
  }
};

describe('a text', () => {
  test('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ depthSize: 'medium' }), fc.constantFrom(undefined, 1, '\t'), (text, space) => {
        const value: unknown = JSON.parse(text);
        expect(scan(JSON.stringify(value, null, space))).toEqual(value);
      }),
    );
  });

  test('that was changed in one place is read, or refused, as JSON.parse does', () => {
    const characters = Array.from('[]{}",:0-+.eE1ntf\\u \n');
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom(...characters),
        fc.constantFrom('insert', 'replace', 'remove'),
        (json, place, character, change) => {
          const at = place % (json.length + 1);
          const rest = json.slice(change === 'insert' ? at : at + 1);
          const text = json.slice(0, at) + (change === 'remove' ? '' : character) + rest;
          expect(outcome(() => scan(text))).toEqual(outcome(() => JSON.parse(text)));
        },
      ),
      { numRuns: shareOf(2000, 5) },
    );
  });

  test('has bare tokens as strings outside of number arrays', () => {
    expect(scan('{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN"}')).toEqual({
      a: 'NaN',
      b: ['-Infinity', 'Infinity'],
      c: 'NaN',
    });
  });

  test('has __proto__ as a key like any other, and the last of equal keys', () => {
    const value = scan('{"__proto__": 1, "a": 1, "a": 2}') as object;
    expect(Object.entries(value)).toEqual([
      ['__proto__', 1],
      ['a', 2],
    ]);
  });

  test('keeps known keys, and the first of very many others', () => {
    const unknown = Array.from({ length: 300 }, (_, k) => `"x${k}":{"y":[${k}]}`);
    const text = `{${unknown.join(',')},"x1":1,"known":2,"x299":3}`;
    const value = new JsonScanner(Buffer.from(text), 64, { knownKeys: new Set(['known']) }).scan();
    expect(value).toEqual({
      ...Object.fromEntries(Array.from({ length: 256 }, (_, k) => [`x${k}`, { y: [k] }])),
      x1: 1,
      known: 2,
      '…': 45,
    });
  });

  test.each(['{"x":[1,}', '{"x":tru', '{"x" 1', '{"x":{"y":1]'])('checks what is not kept: %s', (rest) => {
    const unknown = Array.from({ length: 300 }, (_, k) => `"x${k}":${k}`);
    const scanner = new JsonScanner(Buffer.from(`{${unknown.join(',')},${rest.slice(1)}`), 64, {
      knownKeys: new Set(),
    });
    expect(() => scanner.scan()).toThrow('is not JSON');
  });

  test('may begin with a byte order mark', () => {
    expect(scan('\uFEFF[1]')).toEqual([1]);
  });

  test.each([
    [
      'more keys than an object may have',
      `{${Array.from({ length: 140_000 }, (_, k) => `"${k}":0`).join(',')}}`,
      'more than 131072 keys',
    ],
    ['more values than a text may have', `[${'0,'.repeat(2 ** 18)}0]`, 'more than 262144 values'],
    ['more arrays than a text may have', `[${'[],'.repeat(2 ** 20)}[]]`, 'more than'],
    ['more levels than a text may have', '['.repeat(100), 'nested deeper than 64 levels'],
    ['a string that does not end', `"${'\\"'.repeat(1_000_000)}`, 'does not end'],
  ])('of %s is refused', (_what, text, says) => {
    expect(() => scan(text)).toThrow(says);
  });
});

describe('an array of numbers', () => {
  const leaf = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(Infinity, -Infinity, Number.NaN, -0));

  test('has the values that the engine makes of them, however they are written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(leaf, { minLength: 3, maxLength: 3 })),
        fc.constantFrom(', ', ',\n', ' ,'),
        (rows, comma) => {
          const numbers = scanNumbers(`[ ${rows.map((row) => `[${row.join(comma)} ]`).join(comma)}]`);
          expect(valuesOf(numbers)).toEqual(rows.flat().map((x) => (x === 0 ? 0 : x)));
          expect([numbers.isRagged, numbers.length]).toEqual([false, rows.length * 3]);
        },
      ),
    );
  });

  test('keeps every digit, and the sign of zero', () => {
    const written = ['0.1', '1e-320', '123456789012345678', '9007199254740993', '-0', '-0.0', '1E+300', '2.5e-8'];
    expect(valuesOf(scanNumbers(`[${written.join(',')}]`)).map((x) => (Object.is(x, -0) ? '-0' : x))).toEqual(
      written.map((text) => (Object.is(Number(text), -0) ? '-0' : Number(text))),
    );
  });

  test('may mix booleans, bare tokens and their strings with numbers', () => {
    expect(valuesOf(scanNumbers('[1,true, false,"NaN","-Infinity",NaN ,-Infinity,Infinity,2]'))).toEqual([
      ...[1, 1, 0, Number.NaN, -Infinity, Number.NaN, -Infinity, Infinity, 2],
    ]);
  });

  test.each([
    ['[]', [0]],
    ['[[],[]]', [2, 0]],
    ['[[[1,2]],[[3,4]]]', [2, 1, 2]],
  ])('%s has the shape %j', (text, shape) => {
    const { isRagged, shape: found } = scanNumbers(text);
    expect([isRagged, found]).toEqual([false, shape]);
  });

  test.each(['[[1,2],[3]]', '[1,[2]]', '[[1],2]', '[[],[1]]', '[[],[[1]]]', '[[1,2],[3],[4,5,6]]', '[[[1]],[2]]'])(
    '%s is ragged',
    (text) => {
      expect(scanNumbers(text).isRagged).toBe(true);
    },
  );

  test.each([
    '[1,]',
    '[,1]',
    '[1,,2]',
    '[1 2]',
    '[01]',
    '[1e]',
    '[+1]',
    '[.5]',
    '[[1][2]]',
    '[1',
    '[1}',
    '[NaNNaN]',
    '[Na]',
    '[1,[2],]',
    '[nul]',
    '[true1]',
  ])('%s is refused', (text) => {
    expect(() => scanNumbers(text)).toThrow(expect.objectContaining({ code: 'malformed_body' }));
  });

  test.each([
    ['null', 'entry 2 of weight is null, expected a number'],
    ['"1"', 'entry 2 of weight is "1", expected a number'],
    ['{"a":1}', 'entry 2 of weight is {"a":1}, expected a number'],
  ])('with %s in it names the entry', (entry, says) => {
    expect(() => tensorFromValue('weight', scanNumbers(`[1,2,${entry},null]`))).toThrow(says);
  });

  test.each<DType>([
    'float16',
    'bfloat16',
    'float32',
    'float64',
    'int8',
    'uint8',
    'int16',
    'int32',
    'int64',
    'uint64',
    'bool',
  ])('becomes a tensor of %s as a plain array does', (dtype) => {
    const isFloat = dtype.includes('float');
    const values = dtype === 'bool' ? [0, 1, 1] : isFloat ? [0.1, -2.7, 65504.5] : [0, 100, 127];
    if (dtype === 'int64') values.push(-1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -(2 ** 32));
    const given = { dtype, data: values };
    const scanned = tensorFromValue('label', { dtype, data: scanNumbers(JSON.stringify(values)) });
    const plain = tensorFromValue('label', given);
    expect(scanned).toEqual(plain);
    expect(numbersOf(scanned)).toEqual(numbersOf(plain));
  });

  test.each<[DType, string]>([
    ['int8', '128'],
    ['uint8', '-1'],
    ['int32', '1.5'],
    ['int64', '9223372036854775808'],
    ['int64', 'NaN'],
    ['uint64', '-1'],
    ['bool', '2'],
  ])('of %s does not take %s', (dtype, entry) => {
    expect(() => tensorFromValue('label', { dtype, data: scanNumbers(`[1,${entry}]`) })).toThrow('entry 1 of label is');
  });

  test('keeps integers beyond 2^53, however long it is', () => {
    const integers = Array.from({ length: 150_000 }, (_, k) => (k % 3 === 0 ? 2n ** 53n + BigInt(k) : BigInt(k)));
    const scanned = tensorFromValue('label', scanNumbers(`[${integers.join(',')}]`));
    expect(elementsOf(scanned)).toEqual(BigInt64Array.from(integers));
  });

  test('of one number takes memory for a few', () => {
    const runs = [...scanNumbers('[1]').runs()];
    expect(runs.reduce((sum, run) => sum + run.buffer.byteLength, 0)).toBeLessThanOrEqual(4 * 8);
    expect(valuesOf(scanNumbers('[1,2,3,4,5,6,7,8,9]'))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('of millions takes 8 bytes a number, and time that grows with its length', TIMED, () => {
    const text = (count: number): string => `[${'NaN,'.repeat(count)}1]`;
    const cost = (count: number): number => {
      const given = text(count);
      const before = process.cpuUsage().user;
      scanNumbers(given);
      return process.cpuUsage().user - before;
    };
    cost(200_000);
    const [one, four] = [cost(500_000), cost(2_000_000)];
    expect(four).toBeLessThan(12 * one + 50_000);
    const numbers = scanNumbers(text(2_000_000));
    expect([...numbers.runs()].reduce((sum, run) => sum + run.byteLength, 0)).toBe(8 * 2_000_001);
  });
});
