import { Value } from '#typebox';
import { parseComparisonOptions } from '../comparison/options.ts';
import { JobRequest, MOST_NAMES } from '../contract/jobs.ts';
import { LossmeterError, refuse } from '../errors.ts';
import type { NamedFiles } from '../files/named-files.ts';
import { SAFETENSORS } from '../files/safetensors-file.ts';
import { parseOptions } from '../loss/options.ts';
import { countRows } from '../pipeline/compare-files.ts';
import { LogitFileCursor } from '../pipeline/logit-file-cursor.ts';
import { placeOf, shortened } from '../schema-errors.ts';
import { showValue } from '../suggestion.ts';
import type { JobFile } from './job.ts';
import type { NewJob } from './store.ts';

const OPTIONS = { cross_entropy: parseOptions, kl_divergence: parseComparisonOptions } as const;

/** Maximum number of invalid places that an error names. */
const MOST_PLACES = 8;

/** Checks the body of a request for a job. @throws LossmeterError invalid_job, invalid_option */
export function readJobRequest(given: unknown): JobRequest {
  const kind = (given as { kind?: unknown } | null | undefined)?.kind;
  const schema = JobRequest.anyOf.find(({ properties }) => properties.kind.const === kind);
  if (schema === undefined) {
    const detail = `kind is ${showValue(kind)}, expected cross_entropy or kl_divergence`;
    throw refuse('invalid_job', '/kind', detail);
  }
  // Options are checked separately, with their own messages.
  const { options, ...others } = given as { options?: unknown };
  const checked = shortened(others, MOST_NAMES + 1);
  if (!Value.Check(schema, checked)) {
    const places = Value.Errors(schema, checked)
      .slice(0, MOST_PLACES)
      .map((error) => placeOf(error, schema));
    throw new LossmeterError('invalid_job', places.map((place) => place.detail).join('; '), places);
  }
  const { outputs } = (options ?? {}) as { outputs?: unknown };
  if (outputs !== undefined) {
    throw refuse(
      'invalid_option',
      '/options/outputs',
      'outputs are tensors, which a job does not keep: expected no outputs',
    );
  }
  OPTIONS[schema.properties.kind.const](options);
  return given as JobRequest;
}

/** Finds the files of a job. @throws LossmeterError for names without files, and for references that do not fit */
export async function findJobFiles(
  request: JobRequest,
  namedFiles: NamedFiles,
  most: number,
): Promise<Omit<NewJob, 'kernel'>> {
  const { kind, options, tensors = {} } = request;
  const found = await namedFiles.find('files', request.files, most);
  const files = found.map(({ name, bytes }): JobFile => ({ file: name, bytes }));
  if (request.kind === 'kl_divergence' && request.reference !== undefined) {
    const references = (await namedFiles.find('reference', request.reference, most)).map(({ name }) => name);
    await assignReferences(files, references, { namedFiles, tensors: tensors as Record<string, string> });
  }
  return { kind, options: withoutNulls(options ?? {}), tensors: tensors as Record<string, string>, files };
}

const withoutNulls = (options: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));

/** @throws LossmeterError */
async function assignReferences(
  files: JobFile[],
  references: readonly string[],
  { namedFiles, tensors }: { namedFiles: NamedFiles; tensors: Readonly<Record<string, string>> },
): Promise<void> {
  // A reference without the extension of safetensors is a llama.cpp logit file.
  const logitFile = references.find((name) => !name.endsWith(SAFETENSORS));
  if (logitFile === undefined) {
    if (references.length === files.length) {
      for (const [place, file] of files.entries()) file.reference = references[place];
      return;
    }
    const detail = `${references.length} references are named for ${files.length} files, expected one for each, or one llama.cpp logit file`;
    throw refuse('invalid_job', '/reference', detail);
  }
  if (references.length > 1) {
    throw refuse(
      'invalid_job',
      '/reference',
      `${showValue(logitFile)} is not a safetensors file: a llama.cpp logit file must be the only reference`,
    );
  }
  const cursor = await LogitFileCursor.of(logitFile, await namedFiles.openLogitFile('reference', logitFile));
  try {
    let first = 0;
    for (const file of files) {
      const open = (name: string) => namedFiles.open('files', name);
      const count = await countRows(file.file, { names: tensors, open });
      cursor.skip(count);
      Object.assign(file, { reference: logitFile, referenceRows: { first, count } });
      first += count;
    }
    await cursor.requireEnd();
  } finally {
    await cursor.close();
  }
}
