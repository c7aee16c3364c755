import { expect, test } from 'vitest';
import { crc32c, maskedCrc32c } from '../../../src/import/tensorboard/crc32c.ts';
import { TfRecords } from '../../../src/import/tensorboard/records.ts';

/** Record of a TFRecord file. */
function record(text: string): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(data.length));
  header.writeUInt32LE(maskedCrc32c(header.subarray(0, 8)), 8);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE(maskedCrc32c(data));
  return Buffer.concat([header, data, footer]);
}

const file = Buffer.concat(['one', '', 'three'].map(record));
const whole = [
  { offset: 0, data: Buffer.from('one') },
  { offset: 19, data: Buffer.from('') },
  { offset: 35, data: Buffer.from('three') },
];

test.each([
  ['32 zeros', Buffer.alloc(32), 0x8a_91_36_aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62_a8_ab_43],
  ['increasing bytes', Buffer.from(Array.from({ length: 32 }, (_, k) => k)), 0x46_dd_79_4e],
  ['decreasing bytes', Buffer.from(Array.from({ length: 32 }, (_, k) => 31 - k)), 0x11_3f_db_5c],
])('the CRC-32C of %s is that of RFC 3720, appendix B.4', (_name, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});

test.each([1, 2, 11, 12, 13, 19, 20, 1000])('records are the same in chunks of %d bytes', (chunk) => {
  const records = new TfRecords();
  const read = [];
  for (let at = 0; at < file.length; at += chunk) read.push(...records.push(file.subarray(at, at + chunk)));
  expect(read).toEqual(whole);
  expect(records.unread).toBe(0);
});

test('a truncated tail is unread until the rest arrives', () => {
  for (let length = 36; length < file.length; length++) {
    const records = new TfRecords();
    expect(records.push(file.subarray(0, length))).toEqual(whole.slice(0, 2));
    expect([records.unread, records.offset]).toEqual([length - 35, 35]);
    expect(records.push(file.subarray(length))).toEqual(whole.slice(2));
  }
});

test('a flipped bit in the data is reported by its offset, and the next record is read', () => {
  const corrupt = Buffer.from(file);
  corrupt[12] = corrupt[12]! ^ 1;
  expect(new TfRecords().push(corrupt)).toEqual([
    { offset: 0, corrupt: 'the CRC of the record is wrong' },
    ...whole.slice(1),
  ]);
});

test('a corrupt length ends the file, also for bytes that arrive later', () => {
  const corrupt = Buffer.from(file);
  corrupt[19] = corrupt[19]! ^ 1;
  const records = new TfRecords();
  expect(records.push(corrupt)).toEqual([
    whole[0],
    { offset: 19, corrupt: 'the length of the record is corrupt: the rest of the file is not read' },
  ]);
  expect(records.push(file)).toEqual([]);
  expect(records.unread).toBe(0);
});

test('a length of 2^60 with a correct CRC is corrupt', () => {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(2n ** 60n);
  header.writeUInt32LE(maskedCrc32c(header.subarray(0, 8)), 8);
  expect(new TfRecords().push(header)).toMatchObject([{ offset: 0, corrupt: expect.stringContaining('corrupt') }]);
});
