import { Type } from '#typebox';
import { CONTROL } from '../text-patterns.ts';
import { REMOVED } from './limits.ts';

/** Maximum number of characters of a name, as Unicode code points. */
const MOST_CHARACTERS = 256;

/**
 * Names without control characters and without white space at an end. The pattern has no look-ahead, because many tools
 * that read the OpenAPI document do not support it.
 */
const NAME_PATTERN = `^[^\\s${CONTROL}]([^${CONTROL}]*[^\\s${CONTROL}])?$`;

const HAS_CONTROL = new RegExp(`[${CONTROL}]`, 'u');

/**
 * Reason why a text is not a name of a run; undefined for a valid name. Names are compared character by character: they
 * are neither normalised nor folded.
 */
export function faultOfRunName(name: string): string | undefined {
  if (name === '') return 'is empty, expected at least one character';
  if (!name.isWellFormed()) return 'has half of a surrogate pair, which is not a character';
  // A character has at most two code units, so a long text is refused without splitting it.
  if (name.length > 2 * MOST_CHARACTERS || Array.from(name).length > MOST_CHARACTERS)
    return `is longer than ${MOST_CHARACTERS} characters`;
  if (HAS_CONTROL.test(name)) return 'has a control character';
  if (name.trim() !== name) return 'begins or ends with white space';
  if (name.split('/').some((part) => part === '.' || part === '..'))
    return 'has `.` or `..` as a part between slashes, which browsers and proxies take for a folder';
  if (name.startsWith(REMOVED)) return `begins with "${REMOVED}", which is reserved for runs during their removal`;
  return undefined;
}

/** Name of a run. */
export const RunName = Type.Refine(
  Type.String({
    title: 'RunName',
    minLength: 1,
    maxLength: MOST_CHARACTERS,
    pattern: NAME_PATTERN,
    description: `Name of the run: 1 to ${MOST_CHARACTERS} Unicode characters (code points). In a path, the name is percent-encoded, including slashes. Not allowed: control characters, white space at either end, \`.\` or \`..\` as a part between slashes, and \`${REMOVED}\` at the beginning. Names are case-sensitive, and Unicode is not normalised.`,
    examples: ['gpt-1b.seed-7'],
  }),
  (name) => faultOfRunName(name) === undefined,
  (name) => faultOfRunName(name)!,
);
