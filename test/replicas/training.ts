import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environmentOf, pythonOf } from '../python/environment.ts';

const SCRIPT = fileURLToPath(new URL('training.py', import.meta.url));
const CLIENT = fileURLToPath(new URL('../../clients/python/src', import.meta.url));

/** Result of a training. */
export interface TrainingResult {
  /** Batches whose recording was acknowledged. */
  acknowledged: number;
  /** Failures that the client's retries did not hide. */
  errors: string[];
  /** Complete steps that each watcher saw. */
  watched: number[];
}

export interface TrainingOptions {
  url: string;
  run: string;
  steps: number;
  watchers?: number;
  /** Called when all ranks have recorded a step. */
  onStep?: (step: number) => void;
}

/** Runs eight ranks of a training with the Python client. */
export async function train({
  url,
  run,
  steps,
  watchers = 0,
  onStep = () => undefined,
}: TrainingOptions): Promise<TrainingResult> {
  const environment = environmentOf({ name: 'replicas', requirements: 'test/replicas/requirements.txt' });
  const args = ['--url', url, '--run', run, '--steps', String(steps), '--watchers', String(watchers)];
  const child = spawn(pythonOf(environment), [SCRIPT, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONPATH: CLIENT },
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  let result: TrainingResult | undefined;
  for await (const line of createInterface(child.stdout)) {
    const told = JSON.parse(line) as { step: number } | TrainingResult;
    if ('step' in told) onStep(told.step);
    else result = told;
  }
  const [code] = await ended;
  if (code !== 0 || result === undefined) throw new Error(`the training ended with exit code ${code}`);
  return result;
}
