/** Commands that change the metadata of runs: state, tags, notes, and the archived flag. */
import { printable } from './list.ts';
import type { RunSummary } from './run-list.ts';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE, runPath } from './service.ts';
import { UsageError, parseArguments, runCommand } from '../usage.ts';

interface Command {
  usage: string;
  /** Option that turns the command into its opposite. */
  flag: string | undefined;
  /** Reads the runs, and makes the metadata of each. @throws UsageError */
  read: (given: string[], isFlagged: boolean) => { runs: string[]; metadataOf: (run: RunSummary) => object };
}

/** `lossmeter runs archive`. @returns the exit code */
export const archiveRuns = commandOf({
  usage: `usage: lossmeter runs archive [--undo] RUN…

Leaves runs out of lists. Nothing is deleted.

  --undo               bring them back
${SERVICE_USAGE}
`,
  flag: 'undo',
  read: (runs, isUndone) => ({ runs, metadataOf: () => ({ archived: !isUndone }) }),
});

/** `lossmeter runs finish`. @returns the exit code */
export const finishRuns = commandOf({
  usage: `usage: lossmeter runs finish [--failed] RUN…

Sets the state of runs to finished. A recording more than a minute later sets it
to running again.

  --failed             set the state to failed
${SERVICE_USAGE}
`,
  flag: 'failed',
  read: (runs, isFailed) => ({ runs, metadataOf: () => ({ state: isFailed ? 'failed' : 'finished' }) }),
});

/** `lossmeter runs tag`. @returns the exit code */
export const tagRun = commandOf({
  usage: `usage: lossmeter runs tag [--remove] RUN TAG…

Adds tags to a run.

  --remove             remove them
${SERVICE_USAGE}
`,
  flag: 'remove',
  read: ([run, ...tags], isRemoval) => {
    if (run === undefined || tags.length === 0) throw new UsageError('runs tag takes a run and tags');
    const changed = ({ tags: known = [] }: RunSummary): string[] =>
      isRemoval ? known.filter((tag) => !tags.includes(tag)) : [...known, ...tags];
    return { runs: [run], metadataOf: (summary) => ({ tags: changed(summary) }) };
  },
});

/** `lossmeter runs note`. @returns the exit code */
export const noteRun = commandOf({
  usage: `usage: lossmeter runs note RUN TEXT

Sets the notes of a run, in place of earlier ones.

${SERVICE_USAGE}
`,
  flag: undefined,
  read: ([run, notes, ...others]) => {
    if (run === undefined || notes === undefined || others.length > 0)
      throw new UsageError('runs note takes a run and a text');
    return { runs: [run], metadataOf: () => ({ notes }) };
  },
});

function commandOf({ usage, flag, read }: Command): (args: string[]) => Promise<number> {
  const { help, url } = SERVICE_ARGUMENTS;
  const options = { help, url, ...(flag !== undefined && { [flag]: { type: 'boolean' as const } }) };
  const readArguments = (args: string[]) => {
    const { values, positionals } = parseArguments({ args, allowPositionals: true, options });
    if (values.help === true) return undefined;
    if (positionals.length === 0) throw new UsageError('no run is named');
    const isFlagged = flag !== undefined && (values as Record<string, unknown>)[flag] === true;
    return { ...read(positionals, isFlagged), url: values.url };
  };
  return (args) => runCommand(usage, () => readArguments(args), describeAll);
}

/** Changes the metadata of existing runs. Each run is read first, because PUT alone would create a missing run. */
async function describeAll({
  runs,
  metadataOf,
  url,
}: ReturnType<Command['read']> & { url: string | undefined }): Promise<number> {
  const service = new RemoteService({ url });
  for (const run of runs) {
    const summary = await service.json<RunSummary>(runPath(run));
    await service.send(runPath(run), {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(metadataOf(summary)),
    });
    console.log(`changed ${printable(run)}`);
  }
  return 0;
}
