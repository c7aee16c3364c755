import { printable } from './list.ts';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE, runPath } from './service.ts';
import { UsageError, parseArguments, runCommand } from '../usage.ts';

const USAGE = `usage: lossmeter runs delete --yes RUN…

Deletes runs with everything that is recorded for them.

  --yes                required: confirms the deletion
${SERVICE_USAGE}
`;

interface Deletion {
  runs: string[];
  url: string | undefined;
}

/** `lossmeter runs delete`. @returns the exit code */
export function deleteRuns(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), remove);
}

/** @throws UsageError */
function readArguments(args: string[]): Deletion | undefined {
  const { help, url } = SERVICE_ARGUMENTS;
  const { values, positionals } = parseArguments({
    args,
    allowPositionals: true,
    options: { help, url, yes: { type: 'boolean' } },
  });
  if (values.help === true) return undefined;
  if (positionals.length === 0) throw new UsageError('no run is named');
  if (values.yes !== true)
    throw new UsageError(
      `--yes is missing: it confirms the deletion of ${positionals.length} ${positionals.length === 1 ? 'run' : 'runs'}`,
    );
  return { runs: positionals, url: values.url };
}

async function remove({ runs, url }: Deletion): Promise<number> {
  const service = new RemoteService({ url });
  for (const run of runs) {
    await service.send(runPath(run), { method: 'DELETE' });
    console.log(`deleted ${printable(run)}`);
  }
  return 0;
}
