import { IsDate, IsDateTime } from '#typebox';
import { loadConfig } from '../environment.ts';
import { NAME_PATTERN, changeKeyFile, readKeyFile } from '../keys/key-file.ts';
import type { KeyEntry } from '../keys/key-file.ts';
import { SCOPES } from '../keys/scopes.ts';
import type { Scope } from '../keys/scopes.ts';
import { createSecret, digestOf } from '../keys/secret.ts';
import { showValue } from '../suggestion.ts';
import { formatTable } from './table.ts';
import { UsageError, describeUsageError, parseArguments, unknownCommand } from './usage.ts';

const USAGE = `usage: lossmeter keys create --name NAME --scope SCOPE [--expires DATE]
                             [--file FILE]
       lossmeter keys list [--file FILE]
       lossmeter keys revoke NAME [--file FILE]

create makes a key, prints it once and adds its SHA-256 to the file. A running
service reads a changed file again within a second.

  --name NAME      name of the key in logs; letters, digits, . _ -
  --scope SCOPE    ${SCOPES.join(', ')}; admin includes the others;
                   may be repeated, or be a list with commas
  --expires DATE   time of expiry, such as 2030-01-31 or 2030-01-31T12:00:00Z
  --file FILE      overrides LOSSMETER_API_KEYS_FILE
  -h, --help       print this

The exit code is 1 when the change fails, and 2 for invalid usage.
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** `lossmeter keys`. @returns the exit code */
export async function keys(args: string[]): Promise<number> {
  try {
    const { values, positionals } = parse(args);
    if (values.help === true) {
      console.log(USAGE);
      return 0;
    }
    const [command, ...others] = positionals;
    if (command === 'create') await create(others, values);
    else if (command === 'list') await list(others, values);
    else if (command === 'revoke') await revoke(others, values);
    else if (command === undefined) throw new UsageError('no command is named');
    else throw unknownCommand(command, ['create', 'list', 'revoke'], 'keys ');
    return 0;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const isUsage = error instanceof UsageError;
    console.error(isUsage ? describeUsageError(USAGE, error) : error.message);
    return isUsage ? EXIT_USAGE : EXIT_FAILED;
  }
}

function parse(args: string[]) {
  return parseArguments({
    args,
    allowPositionals: true,
    options: {
      expires: { type: 'string' },
      file: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      name: { type: 'string' },
      scope: { type: 'string', multiple: true },
    },
  });
}

type Values = ReturnType<typeof parse>['values'];

async function create(others: string[], values: Values): Promise<void> {
  if (others.length > 0) throw new UsageError(`unexpected ${others[0]}; several scopes are --scope a,b`);
  const { name } = values;
  if (name === undefined || !new RegExp(NAME_PATTERN).test(name)) {
    throw new UsageError(`--name is ${showValue(name)}, expected up to 64 letters, digits, . _ -`);
  }
  const expires = readExpiry(values.expires);
  const secret = createSecret();
  const entry: KeyEntry = {
    name,
    scopes: readScopes(values.scope),
    sha256: digestOf(secret).toString('hex'),
    created: new Date().toISOString(),
    ...(expires !== undefined && { expires }),
  };
  const file = fileOf(values);
  await changeKeyFile(file, (entries) => {
    if (entries.some((other) => other.name === name)) {
      throw new Error(`${file} has a key ${name}: take another name, or revoke it first`);
    }
    return [...entries, entry];
  });
  console.log(secret);
  console.error(`This is the key ${name}; ${file} has its hash only. Send it as \`Authorization: Bearer KEY\`.`);
}

function readScopes(given: string[] = []): Scope[] {
  const scopes = [...new Set(given.flatMap((list) => list.split(',')).map((scope) => scope.trim()))];
  const wrong = scopes.find((scope) => !SCOPES.some((known) => known === scope));
  if (wrong !== undefined || scopes.length === 0) {
    throw new UsageError(`--scope is ${showValue(wrong)}, expected one or more of ${SCOPES.join(', ')}`);
  }
  return scopes as Scope[];
}

function readExpiry(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const moment = IsDate(text) || IsDateTime(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(moment)) throw new UsageError(`--expires is ${showValue(text)}, expected a date such as 2030-01-31`);
  if (moment <= Date.now()) throw new UsageError(`--expires is ${showValue(text)}, which is past`);
  return new Date(moment).toISOString();
}

async function list(others: string[], values: Values): Promise<void> {
  if (others.length > 0) throw new UsageError(`unexpected ${others[0]}`);
  const rows = (await readKeyFile(fileOf(values))).map(({ name, scopes, created, expires }) => [
    name,
    scopes.join(','),
    created,
    expires === undefined ? 'never' : `${expires}${Date.parse(expires) <= Date.now() ? ' (past)' : ''}`,
  ]);
  console.log(formatTable(['name', 'scopes', 'created', 'expires'], rows));
}

async function revoke([name, ...others]: string[], values: Values): Promise<void> {
  if (name === undefined || others.length > 0) throw new UsageError('keys revoke takes the name of one key');
  const file = fileOf(values);
  // Does not create a missing file.
  await readKeyFile(file);
  await changeKeyFile(file, (entries) => {
    const rest = entries.filter((entry) => entry.name !== name);
    if (rest.length === entries.length) throw new Error(`${file} has no key ${name}`);
    return rest;
  });
  console.error(`The key ${name} is revoked.`);
}

function fileOf({ file }: Values): string {
  const path = file ?? loadConfig().apiKeysFile;
  if (path === undefined) throw new UsageError('neither --file nor LOSSMETER_API_KEYS_FILE names a file');
  return path;
}
