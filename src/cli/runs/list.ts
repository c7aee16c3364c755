import { formatTable } from '../table.ts';
import { FILTER_ARGUMENTS, FILTER_USAGE, findRuns, readPositive } from './run-list.ts';
import type { RunSummary } from './run-list.ts';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE } from './service.ts';
import { UsageError, parseArguments, runCommand } from '../usage.ts';

const USAGE = `usage: lossmeter runs list [options]

Lists runs, the newest first.

${FILTER_USAGE}
  --sort ORDER         newest, oldest, name or updated; newest by default
  --limit N            maximum number of runs; all by default
  --json               print JSON
${SERVICE_USAGE}
`;

/** `lossmeter runs list`. @returns the exit code */
export function listRuns(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), list);
}

function readArguments(args: string[]) {
  const { values, positionals } = parseArguments({
    args,
    allowPositionals: true,
    options: { ...SERVICE_ARGUMENTS, ...FILTER_ARGUMENTS, limit: { type: 'string' }, sort: { type: 'string' } },
  });
  if (values.help === true) return undefined;
  if (positionals.length > 0)
    throw new UsageError(`unexpected ${positionals[0]}: --search ${positionals[0]} finds runs`);
  return { ...values, limit: readPositive('limit', values.limit) };
}

async function list({ url, json, limit, ...filters }: NonNullable<ReturnType<typeof readArguments>>): Promise<number> {
  const runs = await Array.fromAsync(findRuns(new RemoteService({ url }), filters, limit));
  console.log(json === true ? JSON.stringify(runs, null, 2) : formatRuns(runs));
  return 0;
}

/** Table of runs for a terminal. */
export function formatRuns(runs: readonly RunSummary[]): string {
  const rows = runs.map((run) => [
    // A name may contain control characters, which a terminal would obey.
    printable(run.run),
    run.state ?? run.status,
    String(run.steps),
    String(run.last_step ?? '–'),
    formatLoss(run.last_loss),
    formatLoss(run.best_loss),
    String(run.non_finite_steps),
    run.updated_at,
  ]);
  return formatTable(['run', 'state', 'steps', 'last step', 'last loss', 'best loss', 'non-finite', 'updated'], rows);
}

/** Formats a loss with six digits; a non-finite loss is already text. */
export function formatLoss(loss: number | string | undefined): string {
  if (loss === undefined) return '–';
  return typeof loss === 'number' ? String(Number(loss.toPrecision(6))) : loss;
}

/** Replaces the characters that control a terminal or the direction of writing. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�');
}
