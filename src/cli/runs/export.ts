import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE, runPath } from './service.ts';
import { UsageError, parseArguments, runCommand } from '../usage.ts';

const USAGE = `usage: lossmeter runs export [options] RUN

Writes the steps of a run, its micro-batches or its scalars.

  --of PART            steps, batches or scalars, by default steps
  --format FORMAT      csv or jsonl, by default csv
  --output FILE        file to write, by default the standard output
${SERVICE_USAGE}
`;

const PARTS = ['steps', 'batches', 'scalars'];
const FORMATS = ['csv', 'jsonl'];

interface Export {
  run: string;
  of: string;
  format: string;
  output: string | undefined;
  url: string | undefined;
}

/** `lossmeter runs export`. @returns the exit code */
export function exportRun(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), write);
}

/** @throws UsageError */
function readArguments(args: string[]): Export | undefined {
  const { help, url } = SERVICE_ARGUMENTS;
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArguments({
    args,
    allowPositionals: true,
    options: { help, url, format: text, of: text, output: text },
  });
  if (values.help === true) return undefined;
  const [run, ...others] = positionals;
  if (run === undefined || others.length > 0) throw new UsageError('runs export takes the name of one run');
  return {
    run,
    of: oneOf('of', values.of ?? 'steps', PARTS),
    format: oneOf('format', values.format ?? 'csv', FORMATS),
    output: values.output,
    url: values.url,
  };
}

function oneOf(name: string, value: string, valid: readonly string[]): string {
  if (valid.includes(value)) return value;
  throw new UsageError(`--${name} is ${value}, expected one of ${valid.join(', ')}`);
}

async function write({ run, of, format, output, url }: Export): Promise<number> {
  const query = new URLSearchParams({ of, format });
  const response = await new RemoteService({ url }).send(runPath(run, `/export?${query.toString()}`));
  const body = Readable.fromWeb(response.body!);
  if (output === undefined) await pipeline(body, process.stdout, { end: false });
  else await pipeline(body, createWriteStream(output));
  return 0;
}
