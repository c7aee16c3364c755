import { chmod, chown, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { SCOPES } from './scopes.ts';

const Moment = Type.String({ format: 'date-time' });

/** What keys may be called: the names get into logs and answers. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';

const KeyEntry = Type.Object(
  {
    name: Type.String({ pattern: NAME_PATTERN }),
    scopes: Type.Array(Type.Enum([...SCOPES]), { minItems: 1, uniqueItems: true }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    created: Moment,
    expires: Type.Optional(Moment),
  },
  { additionalProperties: false },
);

const KeyFile = Type.Object({ keys: Type.Array(KeyEntry) }, { additionalProperties: false });

/** A key as its file has it: everything but the key itself. */
export type KeyEntry = Static<typeof KeyEntry>;

/** What a new file has: readable by its owner only. */
const NEW_FILE_MODE = 0o600;

/**
 * Reads the text of a key file.
 * @param path for messages
 * @throws Error that says what is wrong where. It shows no values: somebody may have put a key where its hash belongs.
 */
export function parseKeyFile(text: string, path: string): KeyEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's words quote the text.
    throw new Error(`${path} is not JSON`);
  }
  if (!Value.Check(KeyFile, value)) throw new Error(`${path}: ${describe(Value.Errors(KeyFile, value)[0]!)}`);
  const { keys } = value;
  for (const [k, { name, sha256, created, expires }] of keys.entries()) {
    // Dates that no calendar has would never come.
    for (const [field, moment] of Object.entries({ created, expires })) {
      if (moment !== undefined && Number.isNaN(Date.parse(moment)))
        throw new Error(`${path}: /keys/${k}/${field} is no date`);
    }
    const first = keys.findIndex((other) => other.name === name || other.sha256 === sha256);
    if (first !== k) throw new Error(`${path}: /keys/${k} has the name or the sha256 of /keys/${first}`);
  }
  return keys;
}

type SchemaError = ReturnType<typeof Value.Errors>[number];

function describe({ keyword, instancePath, message }: SchemaError): string {
  const place = instancePath === '' ? 'the document' : instancePath;
  if (keyword === 'boolean') return `${place} is not a known field`;
  if (keyword === 'enum') return `${place} ${message}: ${SCOPES.join(', ')}`;
  return `${place} ${message}`;
}

/** @throws Error when the file cannot be read, or is not valid */
export async function readKeyFile(path: string): Promise<KeyEntry[]> {
  return parseKeyFile(await readFile(path, 'utf8'), path);
}

/**
 * Changes a key file, which need not be there yet, as a whole: a reader sees the old one or the new one.
 * @throws Error when it cannot be read or written, is not valid, or something else is changing it
 */
export async function changeKeyFile(path: string, change: (entries: KeyEntry[]) => KeyEntry[]): Promise<void> {
  // Of a link, the file that it leads to is replaced.
  const target = await realpath(path).catch(unlessMissing(path));
  const present = await stat(target).catch(unlessMissing(undefined));
  const next = `${target}.new`;
  // There before the old file is read, so that of two changes at a time none is lost.
  const file = await open(next, 'wx', NEW_FILE_MODE).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new Error(`${next} is there: the file is being changed. If nothing does, remove it`, { cause: error });
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

/** For what may not be there. */
function unlessMissing<T>(otherwise: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return otherwise;
    throw error;
  };
}
