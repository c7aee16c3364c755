import { readdirSync } from 'node:fs';
import path from 'node:path';
import { PbfWriter } from 'pbf';
import { expect, test } from 'vitest';
import { decodeEvent } from '../../../src/import/tensorboard/event.ts';
import { tensorboard } from '../../../src/import/tensorboard/tensorboard.ts';
import { FIXTURES, fixture, itemsOf, parse } from '../parse.ts';

/** Event files of a folder of the fixtures, which make_event_files.py wrote with TensorBoard. */
function filesOf(name: string): Buffer[] {
  const folder = `event-files/${name}`;
  return readdirSync(path.join(FIXTURES, folder))
    .toSorted()
    .map((file) => fixture(`${folder}/${file}`));
}

const LOSSES = [4.5, Number.NaN, Infinity, -Infinity, Math.fround(0.1)];

test('simple values are scalars, the loss a pair; histograms and texts are left out', () => {
  const items = itemsOf(parse(tensorboard, filesOf('simple'), { rank: 2 }));
  expect(items).toEqual(
    LOSSES.map((numerator, k) => ({
      step: k + 1,
      rank: 2,
      attempt: 0,
      numerator,
      denominator: 1,
      scalars: { lr: Math.fround((k + 1) / 1000) },
    })),
  );
});

test('tensors of the plugin of scalars are scalars, though only their first value says so', () => {
  const items = itemsOf(parse(tensorboard, filesOf('tensors')));
  expect(items).toEqual(
    LOSSES.map((numerator, k) => ({
      step: k + 1,
      rank: 0,
      attempt: 0,
      numerator,
      denominator: 1,
      scalars: { 'grad_norm/layers.3': (k + 1) / 2 },
    })),
  );
});

test('--loss names the tag of the loss', () => {
  const [first] = itemsOf(parse(tensorboard, filesOf('simple'), { loss: 'lr' }));
  expect(first).toMatchObject({ numerator: Math.fround(0.001), scalars: { 'train/loss': 4.5 } });
});

test.each([
  ['resumed', [1, 2, 3, 4, 5, 4, 5, 6, 7], [0, 0, 0, 0, 0, 1, 1, 1, 1]],
  ['purged', [1, 2, 3, 4, 5, 4, 5], [0, 0, 0, 0, 0, 1, 1]],
])('steps of a run that %s are of the next attempt', (name, steps, attempts) => {
  const items = itemsOf(parse(tensorboard, filesOf(name)));
  expect(items.map(({ step }) => step)).toEqual(steps);
  expect(items.map(({ attempt }) => attempt)).toEqual(attempts);
});

test('a truncated tail is a note with its offset, and what is before it is read', () => {
  const [file] = filesOf('simple');
  expect(parse(tensorboard, [file!.subarray(0, 100)])).toMatchObject([
    { at: 40, item: { step: 1 } },
    { at: 88, note: 'the last record is incomplete: 12 bytes are not read' },
  ]);
});

test('a corrupt record in the middle is refused by its offset, and the others are read', () => {
  const file = Buffer.from(filesOf('simple')[0]!);
  file[150] = file[150]! ^ 0x10;
  const entries = parse(tensorboard, [file]);
  expect(entries.find((entry) => 'refused' in entry)).toEqual({ at: 128, refused: 'the CRC of the record is wrong' });
  expect(entries.flatMap((entry) => ('item' in entry ? [entry.item.step] : []))).toEqual([1, 2, 3, 4, 5]);
});

/** An event with a tensor of the scalars plugin. */
function tensorEvent(writeTensor: (tensor: PbfWriter) => void): Uint8Array {
  const writer = new PbfWriter();
  writer.writeVarintField(2, 3);
  writer.writeMessage(
    5,
    (_: null, summary: PbfWriter) => {
      summary.writeMessage(
        1,
        (__: null, value: PbfWriter) => {
          value.writeStringField(1, 'x');
          value.writeMessage(8, (___: null, tensor: PbfWriter) => writeTensor(tensor), null);
        },
        null,
      );
    },
    null,
  );
  return writer.finish();
}

test.each<[string, number | undefined, (tensor: PbfWriter) => void]>([
  [
    'float_val',
    0.5,
    (t) => {
      t.writeVarintField(1, 1);
      t.writePackedFloat(5, [0.5]);
    },
  ],
  [
    'float as content',
    0.5,
    (t) => {
      t.writeVarintField(1, 1);
      t.writeBytesField(4, Buffer.from('0000003f', 'hex'));
    },
  ],
  [
    'double_val',
    0.1,
    (t) => {
      t.writeVarintField(1, 2);
      t.writePackedDouble(6, [0.1]);
    },
  ],
  [
    'int_val',
    -7,
    (t) => {
      t.writeVarintField(1, 3);
      t.writePackedVarint(7, [-7]);
    },
  ],
  [
    'int64_val',
    2 ** 40,
    (t) => {
      t.writeVarintField(1, 9);
      t.writePackedVarint(10, [2 ** 40]);
    },
  ],
  [
    'int64 as content',
    -2,
    (t) => {
      t.writeVarintField(1, 9);
      t.writeBytesField(4, Buffer.from('feffffffffffffff', 'hex'));
    },
  ],
  [
    'half_val',
    1.5,
    (t) => {
      t.writeVarintField(1, 19);
      t.writePackedVarint(13, [0x3e00]);
    },
  ],
  [
    'bfloat16 as content',
    1.5,
    (t) => {
      t.writeVarintField(1, 14);
      t.writeBytesField(4, Buffer.from('c03f', 'hex'));
    },
  ],
  [
    'two values',
    undefined,
    (t) => {
      t.writeVarintField(1, 1);
      t.writePackedFloat(5, [1, 2]);
    },
  ],
  [
    'a string',
    undefined,
    (t) => {
      t.writeVarintField(1, 7);
      t.writeStringField(8, 'text');
    },
  ],
])('a tensor with %s is %s', (_name, expected, writeTensor) => {
  const { step, values } = decodeEvent(tensorEvent(writeTensor));
  expect([step, values[0]!.tag, values[0]!.number]).toEqual([3, 'x', expected]);
});

test.each(['2aff', '0a', '2a7f0a02'])('bytes %s that are no Event are refused', (hex) => {
  expect(() => decodeEvent(Buffer.from(hex, 'hex'))).toThrow('the record is not an Event');
});
