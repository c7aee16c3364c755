/** Names of runs for tests. */
import fc from 'fast-check';
import { faultOfRunName } from '../../src/contract/run-name.ts';

/** Names that people use, and names that URLs, quotes and files could damage. */
export const NAMES = [
  'meta-llama/Llama-2-7b',
  'lr=1e-4,bs=32',
  'a/b',
  '/a//b/',
  'Grüße aus 東京 👩‍🔬',
  'e\u0301 is not \u00e9',
  '100% of a?b#c d+e&f;g',
  'a%2Fb',
  '%',
  `it's "quoted" \\ \`so\``,
  '=1+1',
  '...',
  '.hidden',
  '~home',
  '\u202egnp.exe',
  '~removed',
  'steps',
  '__proto__',
  'x'.repeat(256),
  '😀'.repeat(256),
];

const special = fc.constantFrom(
  ...`/\\%?#&+;=:@,.~'"\`<>{}[]|^*()!$_- aé`.split(''),
  '%2F',
  '..',
  '%00',
  'e\u0301',
  '\u2028',
  '~removed ',
);

/** Valid names of all kinds. */
export const runName: fc.Arbitrary<string> = fc
  .oneof(
    fc.constantFrom(...NAMES),
    fc.string({ unit: special, minLength: 1, maxLength: 24 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 256 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  )
  .filter((name) => faultOfRunName(name) === undefined);
