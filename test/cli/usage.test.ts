import { expect, onTestFinished, test, vi } from 'vitest';
import { UsageError, describeUsageError, parseArguments, runCommand, unknownCommand } from '../../src/cli/usage.ts';

const USAGE = `lossmeter 1.2.3

usage: lossmeter weigh [options] FILE…
       lossmeter weigh --all

Weighs files.

  --older-than DAYS  oldest file
`;

const SETTINGS = {
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h' }, 'older-than': { type: 'string' } },
} as const;

const refusalOf = (args: string[]): string => {
  try {
    parseArguments({ ...SETTINGS, args });
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error('the arguments were accepted');
};

test('arguments are read as parseArgs reads them', () => {
  expect(parseArguments({ ...SETTINGS, args: ['--older-than', '3', 'a'] })).toMatchObject({
    values: { 'older-than': '3' },
    positionals: ['a'],
  });
});

test.each([
  [['--oldr-than', '3'], 'unknown option --oldr-than, did you mean --older-than?'],
  [['--older_than=3'], 'unknown option --older_than, did you mean --older-than?'],
  [['--bananas'], 'unknown option --bananas'],
  [['-x'], 'unknown option -x'],
  [['--older-than'], "Option '--older-than <value>' argument missing"],
])('%j: %s', (args, message) => {
  expect(refusalOf(args)).toBe(message);
});

test('an unknown command is answered with the nearest one', () => {
  expect(unknownCommand('weight', ['weigh', 'list']).message).toBe('unknown command weight, did you mean weigh?');
  expect(unknownCommand('bananas', ['weigh'], 'runs ').message).toBe('unknown command runs bananas');
});

test('the reason ends what is printed, and no page of help is', () => {
  expect(describeUsageError(USAGE, new UsageError('no file is named'))).toBe(`usage: lossmeter weigh [options] FILE…
       lossmeter weigh --all
--help has the details.

no file is named`);
});

test.each([
  ['help', undefined, 0, 'log', USAGE],
  [
    'invalid usage',
    new UsageError('no file is named'),
    2,
    'error',
    describeUsageError(USAGE, new Error('no file is named')),
  ],
  ['another failure', new Error('the disk is full'), 2, 'error', 'the disk is full'],
] as const)('%s', async (_what, failure, code, stream, text) => {
  const print = vi.spyOn(console, stream).mockImplementation(() => undefined);
  onTestFinished(() => print.mockRestore());
  const read = (): undefined => {
    if (failure !== undefined) throw failure;
  };
  expect(await runCommand(USAGE, read, () => Promise.resolve(7))).toBe(code);
  expect(print.mock.calls).toEqual([[text]]);
});
