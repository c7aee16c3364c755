import { parseArgs } from 'node:util';
import { describeConfig, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { VERSION } from '../version.ts';

const USAGE = `lossmeter ${VERSION}

usage: lossmeter serve              serve until SIGTERM
       lossmeter evaluate FILE…     evaluate safetensors files; see --help
       lossmeter compare FILE…      compare files with a reference; see --help
       lossmeter combine PARTIAL…   combine shards of these two; see --help
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
    const runCommand = await COMMANDS[name]!();
    process.exitCode = await runCommand(others);
    return;
  }
  let command: string | undefined;
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    });
    if (values.version === true) {
      console.log(VERSION);
      return;
    }
    if (values.help === true) {
      console.log(USAGE);
      return;
    }
    command = positionals.join(' ');
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (command === 'serve') {
    // Imports the service only when needed, so that the other commands answer quickly.
    const { serve } = await import('../main.ts');
    let config: Config;
    try {
      config = loadConfig();
    } catch (error) {
      console.error((error as Error).message);
      process.exitCode = 2;
      return;
    }
    try {
      await serve(config);
    } catch (error) {
      // Exits explicitly: running workers would keep the process alive.
      console.error((error as Error).message);
      process.exit(1);
    }
    return;
  }
  console.error(command === '' ? USAGE : `unknown command ${command}\n\n${USAGE}`);
  process.exitCode = 2;
}
