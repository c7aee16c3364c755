import { UsageError, runCommand, unknownCommand } from './usage.ts';

const USAGE = `usage: lossmeter runs list             list runs
       lossmeter runs show RUN         show a run and its scalars
       lossmeter runs export RUN       write steps, batches or scalars
       lossmeter runs import PATH…     record what trainers wrote: TensorBoard,
                                       Megatron-LM, MindFormers, CSV, NDJSON
       lossmeter runs rename RUN NAME  give a run another name
       lossmeter runs finish RUN…      say that runs have finished, or failed
       lossmeter runs archive RUN…     leave runs out of lists
       lossmeter runs tag RUN TAG…     add tags, or remove them
       lossmeter runs note RUN TEXT    set the notes of a run
       lossmeter runs delete RUN…      delete runs
       lossmeter runs prune            delete old runs

The commands ask the service at LOSSMETER_URL, with the key LOSSMETER_API_KEY.
Each has a --help of its own.
`;

/** Commands about runs. Each is imported when it is asked for. */
const COMMANDS: Readonly<Record<string, () => Promise<(args: string[]) => Promise<number>>>> = {
  list: async () => (await import('./runs/list.ts')).listRuns,
  show: async () => (await import('./runs/show.ts')).showRun,
  export: async () => (await import('./runs/export.ts')).exportRun,
  import: async () => (await import('./runs/import.ts')).importRuns,
  rename: async () => (await import('./runs/rename.ts')).renameRun,
  finish: async () => (await import('./runs/describe.ts')).finishRuns,
  archive: async () => (await import('./runs/describe.ts')).archiveRuns,
  tag: async () => (await import('./runs/describe.ts')).tagRun,
  note: async () => (await import('./runs/describe.ts')).noteRun,
  delete: async () => (await import('./runs/delete.ts')).deleteRuns,
  prune: async () => (await import('./runs/prune.ts')).pruneRuns,
};

/** `lossmeter runs`. @returns the exit code */
export async function runs([name, ...others]: string[]): Promise<number> {
  if (name !== undefined && Object.hasOwn(COMMANDS, name)) {
    const run = await COMMANDS[name]!();
    return run(others);
  }
  return runCommand(
    USAGE,
    () => (name === '--help' || name === '-h' ? undefined : refuse(name)),
    () => Promise.resolve(0),
  );
}

/** @throws UsageError */
function refuse(name: string | undefined): never {
  if (name === undefined) throw new UsageError('no command is named');
  throw unknownCommand(name, Object.keys(COMMANDS), 'runs ');
}
