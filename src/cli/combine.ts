import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { restoreComparison, restoreEvaluation } from '../pipeline/saved-files.ts';
import type { SavedComparison, SavedEvaluation } from '../pipeline/saved-files.ts';
import { printComparisons } from './compare.ts';
import type { WithReference } from './compare.ts';
import { printEvaluations } from './evaluate.ts';
import { readBound } from './fail-if.ts';
import type { Bound } from './fail-if.ts';
import { findFiles } from './files.ts';
import { COMMANDS } from './shards/partial.ts';
import type { PartialEntry } from './shards/partial.ts';
import { PartialSet } from './shards/partial-set.ts';
import { readPartial } from './shards/read-partial.ts';
import { EXIT_BAD_RESULT, UsageError, parseArguments, runCommand } from './usage.ts';

const USAGE = `usage: lossmeter combine [options] PARTIAL…

Combines the partials of all shards of the same files, in any order, as written
by lossmeter evaluate --shard or lossmeter compare --shard. PARTIAL is a file, a
folder with *.json files, or a quoted pattern. The result is bit-identical to
that of one process without shards.

  --json               print one JSON document: the total, and an entry per file
  --fail-if 'NAME>N'   exit with code 1 when the result of a comparison meets
                       the condition; see lossmeter compare --help
  -h, --help           print this

The exit code is 0 when the result is finite and no --fail-if condition is true,
1 otherwise or when shards are missing, and 2 for invalid usage or partials that
do not belong together.
`;

const EXTENSION = '.json';

interface Invocation {
  patterns: string[];
  bounds: Bound[];
  json: boolean;
}

/** `lossmeter combine`. @returns the exit code */
export function combine(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), combineAll);
}

/** @returns undefined when help is requested */
function readArguments(args: string[]): Invocation | undefined {
  const { values, positionals: patterns } = parseArguments({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      'fail-if': { type: 'string', multiple: true },
    },
  });
  if (values.help === true) return undefined;
  if (patterns.length === 0) throw new UsageError('no partial is named');
  return { patterns, bounds: (values['fail-if'] ?? []).map(readBound), json: values.json === true };
}

async function combineAll({ patterns, bounds, json }: Invocation): Promise<number> {
  const set = new PartialSet();
  for (const path of await findPartials(patterns)) set.add(await readPartial(path));
  for (const sentence of set.repeated) console.error(sentence);
  const { missing, partials } = set;
  if (missing !== undefined) {
    console.error(missing);
    return EXIT_BAD_RESULT;
  }
  const { kind, chunks } = partials[0]!.head;
  const entries = partials.flatMap((partial) => partial.entries).toSorted((a, b) => a.place - b.place);
  warnOfKernels(entries);
  if (kind === 'comparison_shard') {
    const compared: WithReference[] = [];
    for (const entry of entries as unknown as (SavedComparison & { reference: string })[]) {
      compared.push({ ...(await restoreComparison(entry)), reference: entry.reference });
    }
    return printComparisons(compared, { chunks, bounds, json });
  }
  if (bounds.length > 0)
    throw new UsageError(`--fail-if applies to comparisons only, but the partials are of ${COMMANDS[kind]}`);
  return printEvaluations((entries as unknown as SavedEvaluation[]).map(restoreEvaluation), json);
}

/** Partials are local files. */
const NO_STORAGE = {
  find: async (path: string): Promise<never> => {
    throw new UsageError(`${path}: partials are local files, copy them first`);
  },
};

async function findPartials(patterns: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const pattern of patterns) {
    const stats = await stat(pattern).catch(() => undefined);
    if (stats?.isDirectory() !== true) {
      paths.push(pattern);
      continue;
    }
    const names = (await readdir(pattern)).filter((name) => name.endsWith(EXTENSION));
    if (names.length === 0) throw new Error(`${pattern}: the folder has no file *${EXTENSION}`);
    paths.push(...names.map((name) => join(pattern, name)));
  }
  return (await findFiles(paths, NO_STORAGE)).map(({ path }) => path);
}

/** Warns when the shards have different kernels: their results differ in the last bits. */
function warnOfKernels(entries: readonly PartialEntry[]): void {
  const variants = new Set<string>();
  for (const entry of entries as unknown as (SavedEvaluation | SavedComparison)[]) {
    const { kernel } = 'plan' in entry ? entry.plan : entry.evaluation;
    for (const variant of ['relaxed', 'strict']) if (kernel.includes(variant)) variants.add(variant);
  }
  if (variants.size < 2) return;
  const names = [...variants].toSorted().join(' and ');
  console.error(
    `the shards were evaluated with the kernels ${names}, so the result may differ from that of one process in the last bits: evaluate all shards with the same --kernel`,
  );
}
