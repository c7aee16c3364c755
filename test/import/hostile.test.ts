/** Files with arbitrary contents: parsers refuse parts of them, and neither crash nor hang. */
import fc from 'fast-check';
import { PbfWriter } from 'pbf';
import { expect, test } from 'vitest';
import { FORMATS } from '../../src/import/formats.ts';
import { megatron } from '../../src/import/megatron.ts';
import { maskedCrc32c } from '../../src/import/tensorboard/crc32c.ts';
import { decodeEvent } from '../../src/import/tensorboard/event.ts';
import { tensorboard } from '../../src/import/tensorboard/tensorboard.ts';
import { fixture, parse } from './parse.ts';

const samples = {
  tensorboard: fixture('event-files/tensors/events.out.tfevents.1700000001.host.1.0.v2'),
  megatron: fixture('megatron.log'),
  mindformers: fixture('mindformers/rank_0/info.log'),
  ndjson: Buffer.from('{"step":1,"numerator":2,"denominator":1}\n{"step":2,"scalars":{"a":1}}\n'),
  csv: Buffer.from('step,loss\n1,2\n3,4\n'),
};

/** Copies of a file with some bytes replaced. */
const edited = (file: Buffer) =>
  fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 4 }).map((edits) => {
    const copy = Buffer.from(file);
    for (const [at, byte] of edits) copy[at] = byte;
    return copy;
  });

test.each(FORMATS)('$name with changed bytes', (format) => {
  const file = samples[format.name as keyof typeof samples];
  fc.assert(
    fc.property(edited(file), fc.integer({ min: 1, max: 200 }), (bytes, chunk) => {
      try {
        for (const entry of parse(format, [bytes], { chunk })) expect(entry.at).toBeGreaterThanOrEqual(0);
      } catch (error) {
        // A CSV without its columns is refused as a whole.
        expect(String(error)).toMatch(/there is no column/);
      }
    }),
  );
});

test('an event with changed bytes and a correct CRC is refused, or an item', () => {
  // The record of the first value of the loss.
  const data = samples.tensorboard.subarray(52, 52 + samples.tensorboard.readUInt32LE(40));
  fc.assert(
    fc.property(edited(data), (bytes) => {
      const header = Buffer.alloc(12);
      header.writeBigUInt64LE(BigInt(bytes.length));
      header.writeUInt32LE(maskedCrc32c(header.subarray(0, 8)), 8);
      const footer = Buffer.alloc(4);
      footer.writeUInt32LE(maskedCrc32c(bytes));
      for (const entry of parse(tensorboard, [Buffer.concat([header, bytes, footer])])) {
        if ('item' in entry) expect(entry.item.step).toBeGreaterThanOrEqual(0);
        else expect(entry).toEqual({ at: 0, refused: expect.stringMatching(/not an Event|the step is /) });
      }
    }),
    { numRuns: 2000 },
  );
});

test('a list of 2^31 numbers in a record of few bytes is refused at once', () => {
  const writer = new PbfWriter();
  writer.writeMessage(
    5,
    (_: null, summary: PbfWriter) =>
      summary.writeMessage(
        1,
        (__: null, value: PbfWriter) => value.writeBytesField(8, Buffer.from('3affffffff07', 'hex')),
        null,
      ),
    null,
  );
  expect(() => decodeEvent(writer.finish())).toThrow('the record is not an Event');
});

test('a file without lines is refused', () => {
  const chunk = Buffer.alloc(2 ** 20, 'x');
  const parser = megatron.stream({ rank: 0, attempt: 0, excluded: /^$/, columns: {} }).open();
  expect(() => {
    for (let k = 0; k < 20; k++) parser.push(chunk);
  }).toThrow('line 1 has more than 16777216 characters');
});
