import { describeConfig, loadConfig, suggestVariable } from '../environment.ts';
import type { Config } from '../config.ts';
import { suggestName } from '../suggestion.ts';
import { VERSION } from '../version.ts';
import { UsageError, parseArguments, runCommand, unknownCommand } from './usage.ts';

const USAGE = `lossmeter ${VERSION}

usage: lossmeter serve              serve until SIGTERM
       lossmeter evaluate FILE…     evaluate safetensors files; see --help
       lossmeter compare FILE…      compare files with a reference; see --help
       lossmeter combine PARTIAL…   combine the partials; see --help
       lossmeter worker             evaluate the files of jobs until SIGTERM
       lossmeter keys create|list|revoke
                                    manage API keys; see --help
       lossmeter runs list|show|export|import|delete|prune
                                    manage recorded runs; see --help
       lossmeter store copy FROM TO copy a history of runs; see --help
       lossmeter health             check that the service is ready; see --help
       lossmeter --version

environment:
${describeConfig()
  .map((variable) => `  ${variable.name} (${variable.default})\n      ${variable.description}`)
  .join('\n')}
`;

/** Commands with arguments of their own. Each is imported when it is asked for, so that all answer quickly. */
const COMMANDS: Readonly<Record<string, () => Promise<(args: string[]) => Promise<number>>>> = {
  evaluate: async () => (await import('./evaluate.ts')).evaluate,
  compare: async () => (await import('./compare.ts')).compare,
  combine: async () => (await import('./combine.ts')).combine,
  worker: async () => (await import('./worker.ts')).worker,
  keys: async () => (await import('./keys.ts')).keys,
  runs: async () => (await import('./runs.ts')).runs,
  store: async () => (await import('./store.ts')).store,
  health: async () => (await import('./health.ts')).health,
};

/** Runs the command line; sets the exit code of the process. */
export async function run(args: string[]): Promise<void> {
  const [name = '', ...others] = args;
  if (Object.hasOwn(COMMANDS, name)) {
    const runOther = await COMMANDS[name]!();
    process.exitCode = await runOther(others);
    return;
  }
  process.exitCode = await runCommand(USAGE, () => readArguments(args), serveOrPrintVersion);
}

/** @returns the configuration of `serve`, `version`, or undefined when help is requested @throws UsageError */
function readArguments(args: string[]): Config | 'version' | undefined {
  const { values, positionals } = parseArguments(
    {
      args,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    },
    // Settings of the service are environment variables, so one of them may be meant.
    (name) => {
      const meant = suggestName(name, ['help', 'version']);
      return meant === undefined ? suggestVariable(name) : `--${meant}`;
    },
  );
  if (values.version === true) return 'version';
  if (values.help === true) return undefined;
  const [command, ...others] = positionals;
  if (command === undefined) throw new UsageError('no command is named');
  if (command !== 'serve') throw unknownCommand(command, ['serve', ...Object.keys(COMMANDS)]);
  if (others.length > 0) throw new UsageError(`unexpected ${others[0]}: lossmeter serve takes no arguments`);
  return loadConfig();
}

async function serveOrPrintVersion(config: Config | 'version'): Promise<number> {
  if (config === 'version') {
    console.log(VERSION);
    return 0;
  }
  // Imports the service only when needed, so that the other commands answer quickly.
  const { serve } = await import('../main.ts');
  try {
    await serve(config);
  } catch (error) {
    // Exits explicitly: running workers would keep the process alive.
    console.error((error as Error).message);
    process.exit(1);
  }
  return 0;
}
