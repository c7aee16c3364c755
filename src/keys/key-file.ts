import { chmod, chown, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { Type, Value } from '#typebox';
import type { Static } from '#typebox';
import { explainSchemaError, schemaErrors } from '../schema-errors.ts';
import type { SchemaError } from '../schema-errors.ts';
import { SCOPES } from './scopes.ts';

const Moment = Type.String({ format: 'date-time', examples: ['2030-01-31T00:00:00Z'] });

/** Valid names of keys: names appear in logs and answers. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';

const KeyEntry = Type.Object(
  {
    name: Type.String({ pattern: NAME_PATTERN, examples: ['trainer-2'] }),
    scopes: Type.Array(Type.Enum([...SCOPES]), { minItems: 1, uniqueItems: true }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$', examples: ['0123456789abcdef'.repeat(4)] }),
    created: Moment,
    expires: Type.Optional(Moment),
  },
  { additionalProperties: false },
);

const KeyFile = Type.Object({ keys: Type.Array(KeyEntry) }, { additionalProperties: false });

/** Stored form of a key: everything except the key itself. */
export type KeyEntry = Static<typeof KeyEntry>;

/** Mode of a new file: readable by its owner only. */
const NEW_FILE_MODE = 0o600;

/**
 * Parses the text of a key file.
 * @param path for messages
 * @throws Error that describes the error and its place. It shows no values: a key may have been entered in place of its
 *   hash.
 */
export function parseKeyFile(text: string, path: string): KeyEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message would quote the text.
    throw new Error(`${path} is not JSON`);
  }
  if (!Value.Check(KeyFile, value)) throw new Error(`${path}: ${describe(schemaErrors(KeyFile, value)[0]!)}`);
  const { keys } = value;
  for (const [k, { name, sha256, created, expires }] of keys.entries()) {
    // Rejects dates that do not exist: such a key would never expire.
    for (const [field, moment] of Object.entries({ created, expires })) {
      if (moment !== undefined && Number.isNaN(Date.parse(moment)))
        throw new Error(`${path}: /keys/${k}/${field} is not a date`);
    }
    const first = keys.findIndex((other) => other.name === name || other.sha256 === sha256);
    if (first !== k) throw new Error(`${path}: /keys/${k} has the name or the sha256 of /keys/${first}`);
  }
  return keys;
}

const describe = (error: SchemaError): string =>
  `${error.instancePath === '' ? 'the document' : error.instancePath} ${explainSchemaError(error, KeyFile)}`;

/** @throws Error when the file is unreadable or invalid */
export async function readKeyFile(path: string): Promise<KeyEntry[]> {
  return parseKeyFile(await readFile(path, 'utf8'), path);
}

/**
 * Replaces a key file atomically: a reader sees the old file or the new one. Creates a missing file.
 * @throws Error when the file is unreadable, unwritable or invalid, or when another change is in progress
 */
export async function changeKeyFile(path: string, change: (entries: KeyEntry[]) => KeyEntry[]): Promise<void> {
  // Replaces the target of a link, not the link.
  const target = await realpath(path).catch(unlessMissing(path));
  const present = await stat(target).catch(unlessMissing(undefined));
  const next = `${target}.new`;
  // Creates the new file before reading the old one, so that two simultaneous changes cannot overwrite each other.
  const file = await open(next, 'wx', NEW_FILE_MODE).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new Error(
      `${next} exists, so the file is being changed by another command. If no other command is running, remove ${next}`,
      { cause: error },
    );
  });
  try {
    const entries = change(present === undefined ? [] : await readKeyFile(target));
    await file.writeFile(`${JSON.stringify({ keys: entries }, null, 2)}\n`);
    await file.sync();
    await file.close();
    if (present !== undefined) {
      await chmod(next, present.mode);
      if (process.getuid?.() === 0) await chown(next, present.uid, present.gid);
    }
    await rename(next, target);
  } catch (error) {
    await file.close();
    await rm(next, { force: true });
    throw error;
  }
}

/** Returns a handler that gives a replacement for a missing file, and rethrows all other errors. */
function unlessMissing<T>(otherwise: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return otherwise;
    throw error;
  };
}
