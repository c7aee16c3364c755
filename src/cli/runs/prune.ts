import { IsDate, IsDateTime } from '#typebox';
import { formatRuns, printable } from './list.ts';
import { FILTER_ARGUMENTS, FILTER_USAGE, findRuns, readPositive } from './run-list.ts';
import type { RunSummary } from './run-list.ts';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE, runPath } from './service.ts';
import { UsageError, parseArguments, runCommand } from '../usage.ts';

const USAGE = `usage: lossmeter runs prune [options] --dry-run|--yes

Deletes old runs. A run is deleted when every given rule says so. An active run,
which was recorded in the last five minutes, and one that is running are kept.

  --older-than AGE     runs created before AGE: a time ago, such as 12h, 30d
                       or 8w, or a date such as 2030-01-31
  --unchanged-for AGE  runs without a recording since AGE
  --keep N             runs beyond the N newest of those that match
${FILTER_USAGE}
  --dry-run            print the runs, and delete nothing
  --yes                delete the runs
  --json               print JSON
${SERVICE_USAGE}
`;

const UNIT_MS = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `lossmeter runs prune`. @returns the exit code */
export function pruneRuns(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), prune);
}

function readArguments(args: string[]) {
  const { values, positionals } = parseArguments({
    args,
    allowPositionals: true,
    options: {
      ...SERVICE_ARGUMENTS,
      ...FILTER_ARGUMENTS,
      'dry-run': { type: 'boolean' },
      keep: { type: 'string' },
      'older-than': { type: 'string' },
      'unchanged-for': { type: 'string' },
      yes: { type: 'boolean' },
    },
  });
  if (values.help === true) return undefined;
  if (positionals.length > 0) throw new UsageError(`unexpected ${positionals[0]}: runs delete takes names`);
  const {
    url,
    json,
    'dry-run': dryRun,
    yes,
    keep,
    'older-than': older,
    'unchanged-for': unchanged,
    ...filters
  } = values;
  const rules = {
    keep: readPositive('keep', keep) ?? 0,
    createdBefore: readMoment('older-than', older),
    updatedBefore: readMoment('unchanged-for', unchanged),
  };
  if (older === undefined && unchanged === undefined && keep === undefined) {
    throw new UsageError('no rule is given: --older-than, --unchanged-for or --keep');
  }
  if ((dryRun === true) === (yes === true)) throw new UsageError('either --dry-run or --yes is needed');
  return { url, json: json === true, dryRun: dryRun === true, rules, filters };
}

/** Moment before which runs are old. @throws UsageError */
function readMoment(name: string, text: string | undefined, now = Date.now()): number {
  if (text === undefined) return Infinity;
  const [, count, unit] = /^(\d+)([hdw])$/.exec(text) ?? [];
  if (count !== undefined) return now - Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
  if (IsDate(text) || IsDateTime(text)) return Date.parse(text);
  throw new UsageError(`--${name} is ${text}, expected a time such as 12h, 30d or 8w, or a date such as 2030-01-31`);
}

interface Rules {
  keep: number;
  createdBefore: number;
  updatedBefore: number;
}

/** Runs that all rules select. @param runs matching runs, the newest first */
export function selectOld(runs: readonly RunSummary[], { keep, createdBefore, updatedBefore }: Rules): RunSummary[] {
  return runs
    .slice(keep)
    .filter(
      (run) =>
        run.status !== 'active' &&
        run.state !== 'running' &&
        Date.parse(run.created_at) < createdBefore &&
        Date.parse(run.updated_at) < updatedBefore,
    );
}

async function prune({
  url,
  json,
  dryRun,
  rules,
  filters,
}: NonNullable<ReturnType<typeof readArguments>>): Promise<number> {
  const service = new RemoteService({ url });
  const runs = await Array.fromAsync(findRuns(service, { ...filters, sort: 'newest' }));
  const old = selectOld(runs, rules);
  if (!dryRun) {
    for (const { run } of old) {
      await service.send(runPath(run), { method: 'DELETE' });
      if (!json) console.log(`deleted ${printable(run)}`);
    }
  }
  if (json) console.log(JSON.stringify({ [dryRun ? 'selected' : 'deleted']: old.map(({ run }) => run) }, null, 2));
  else if (dryRun && old.length > 0) console.log(formatRuns(old));
  console.error(`${old.length} of ${runs.length} runs ${dryRun ? 'would be deleted' : 'deleted'}`);
  return 0;
}
