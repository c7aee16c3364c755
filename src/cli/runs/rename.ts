import { printable } from './list.ts';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE, runPath } from './service.ts';
import { UsageError, parseArguments, runCommand } from '../usage.ts';

const USAGE = `usage: lossmeter runs rename RUN NAME

Gives a run another name. A trainer that goes on recording under the old name
makes a new run: rename a run after its end.

${SERVICE_USAGE}
`;

interface Renaming {
  run: string;
  name: string;
  url: string | undefined;
}

/** `lossmeter runs rename`. @returns the exit code */
export function renameRun(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), rename);
}

/** @throws UsageError */
function readArguments(args: string[]): Renaming | undefined {
  const { help, url } = SERVICE_ARGUMENTS;
  const { values, positionals } = parseArguments({ args, allowPositionals: true, options: { help, url } });
  if (values.help === true) return undefined;
  const [run, name, ...others] = positionals;
  if (run === undefined || name === undefined || others.length > 0)
    throw new UsageError('runs rename takes a run and its new name');
  return { run, name, url: values.url };
}

async function rename({ run, name, url }: Renaming): Promise<number> {
  await new RemoteService({ url }).send(runPath(run, '/rename'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  console.log(`renamed ${printable(run)} to ${printable(name)}`);
  return 0;
}
