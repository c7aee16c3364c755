import { formatTable } from '../table.ts';
import { formatLoss, printable } from './list.ts';
import type { RunSummary } from './run-list.ts';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE, runPath } from './service.ts';
import { UsageError, parseArguments, runCommand } from '../usage.ts';

const USAGE = `usage: lossmeter runs show [options] RUN

Shows a run, and the last values of its scalars.

  --json               print JSON
${SERVICE_USAGE}
`;

interface Scalar {
  name: string;
  points: number;
  last_step: number;
  last_value: number | string;
}

interface ShownRun {
  run: string;
  url: string | undefined;
  json: boolean;
}

/** `lossmeter runs show`. @returns the exit code */
export function showRun(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), show);
}

/** @throws UsageError */
function readArguments(args: string[]): ShownRun | undefined {
  const { values, positionals } = parseArguments({ args, allowPositionals: true, options: SERVICE_ARGUMENTS });
  if (values.help === true) return undefined;
  const [run, ...others] = positionals;
  if (run === undefined || others.length > 0) throw new UsageError('runs show takes the name of one run');
  return { run, url: values.url, json: values.json === true };
}

async function show({ run, url, json }: ShownRun): Promise<number> {
  const service = new RemoteService({ url });
  const summary = await service.json<RunSummary & Record<string, unknown>>(runPath(run));
  const { scalars } = await service.json<{ scalars: Scalar[] }>(runPath(run, '/scalars'));
  if (json) {
    console.log(JSON.stringify({ ...summary, scalars }, null, 2));
    return 0;
  }
  const facts = Object.entries(summary).filter(([name]) => name !== 'sparkline');
  const width = Math.max(...facts.map(([name]) => name.length));
  for (const [name, value] of facts) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    console.log(`${name.padEnd(width)}  ${printable(text)}`);
  }
  if (scalars.length > 0) {
    const rows = scalars.map(({ name, points, last_step: step, last_value: value }) => [
      printable(name),
      String(points),
      String(step),
      formatLoss(value),
    ]);
    console.log(`\n${formatTable(['scalar', 'points', 'last step', 'last value'], rows)}`);
  }
  return 0;
}
