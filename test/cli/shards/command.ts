import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { vi } from 'vitest';
import { combine } from '../../../src/cli/combine.ts';
import { compare } from '../../../src/cli/compare.ts';
import { evaluate } from '../../../src/cli/evaluate.ts';
import { ROOT } from '../../e2e/process.ts';

/** Environment for a command, independent of the environment of the tests. */
export function environment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LOSSMETER_')));
}

/** Runs the command line as a process. */
export function lossmeter(...args: string[]) {
  const command = [join(ROOT, 'src/cli/bin.js'), ...args];
  const options = { encoding: 'utf8', env: environment(), timeout: 60_000, maxBuffer: 2 ** 28 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, command, options);
  return { status, stdout, stderr };
}

const COMMANDS = { evaluate, compare, combine };

type Command = keyof typeof COMMANDS;

/** Runs a command within this process, which is faster than a new process. @returns the exit code and the output */
export async function runWithin(command: Command, args: string[]): Promise<[code: number, text: string]> {
  const lines: string[] = [];
  const take = (line: string): void => void lines.push(line);
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(take),
    vi.spyOn(console, 'error').mockImplementation(take),
  ];
  try {
    return [await COMMANDS[command](args), lines.join('\n')];
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
