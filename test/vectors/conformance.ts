/** Writes docs/conformance.md: the largest errors of the service against its oracles, and the table of llama.cpp. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Packr, Unpackr } from 'msgpackr';
import { Kernel } from '../../kernels/kernel.ts';
import type { Comparison } from '../../kernels/pair.ts';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import { elementsOf } from '../../src/tensor/tensor.ts';
import { ExactPair } from '../kernels/exact-divergence.ts';
import { toNumber } from '../kernels/fixed-point.ts';
import { FINITE, WITH_NEG_INF, blockOf, makePairs, roundedPairs } from '../kernels/pair-rows.ts';
import type { PairDTypes } from '../kernels/pair-rows.ts';
import { FILES, flatten, outputsOf, readVectors, requestOf, scaleOf } from './read.ts';
import type { Vector } from './read.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LLAMA = `${ROOT}test/fixtures/llama-kld/`;
const MSGPACK = 'application/vnd.msgpack';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

const app = await buildApp({
  config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1 },
  logger: { level: 'error' },
});
const url = await app.listen({ host: '127.0.0.1', port: 0 });
const vectorRows: string[][] = [];
for (const file of FILES) vectorRows.push(await rowOfFile(file));
await app.close();

writeFileSync(
  `${ROOT}docs/conformance.md`,
  `# Conformance

This page lists the largest errors of Lossmeter against other implementations and against exact arithmetic.
\`npm run conformance\` measured them on ${new Date().toISOString().slice(0, 10)} with the ${Kernel.load().variant} kernels. [accuracy.md](accuracy.md) has the error
bounds, and [deviations.md](deviations.md) the intended differences. The test suites of the last section check all of them.

## Cross-entropy against PyTorch

The known-answer vectors were computed by PyTorch in float64. Each has the loss, its parts, the row losses, lse, entropy
and the gradient. [test/vectors](../test/vectors/README.md) lists the cases and the reference implementations. Errors are
relative to the larger of 1 and the value; errors of the gradient are relative to its largest element.

${tableOf(
  [
    'vectors',
    'cases',
    'values, float64 logits',
    'gradient, float64 logits',
    'values, float32 and 16-bit logits',
    'gradient, float32 and 16-bit logits',
  ],
  vectorRows,
)}

Predictions and ranks are equal in all cases.

## Divergences against exact arithmetic

The pairs of rows have 64 and 257 classes, and are hard to compare: near and far models, offsets, confident rows, tails,
−Inf. The reference is arithmetic with 58 decimals. Errors are relative to the larger of 1e-9 nats and the divergence.

${tableOf(['logits', 'pairs', ...divergences().map(({ name }) => name)], dtypePairs().map(divergenceRow))}

## The table of llama.cpp

\`llama-perplexity\` and \`lossmeter compare\` compare a second model with the logit file of a base model.
\`llama-perplexity\` evaluates the second model again and computes in float32. So some last digits differ, and one of
504 rows differs in \`Same top p\`. \`llama-perplexity --kl-divergence\` printed:

\`\`\`
${readFileSync(`${LLAMA}near.table.txt`, 'utf8').trimEnd()}
\`\`\`

\`lossmeter compare\` printed, for the reference file of llama.cpp and the logits of the second model:

\`\`\`
${compareFiles()}
\`\`\`

## Suites against other implementations

| compared with | what is compared | suite or vectors |
| --- | --- | --- |
| PyTorch's own samples of \`cross_entropy\`, and its autograd in float64 | losses and gradients through \`lossmeter.torch\` | \`npm run test:client\` |
| the loss class of mindformers, on MindSpore | the loss of a training run | \`npm run test:client\` |
| Megatron-LM's row loss | the \`megatron\` profile | [test/vectors](../test/vectors/README.md) |
| TRL and Liger | conventions of Jensen–Shannon divergences | \`npm run test:client\` |
| 60-digit arithmetic | 5,000 random requests, logits to ±3e38 | \`npm run test:precision\` |
| msgpack, safetensors, NumPy and tritonclient of Python | wire formats | \`npm run test:python\` |
| curl, and the HTTP clients of Python, Node.js, Go and Java | HTTP | \`npm run test:clients\` |
| five client generators | the OpenAPI document | \`npm run test:generators\` |
| Schemathesis | every operation of the OpenAPI document | \`npm run test:contract\` |
| Kubernetes' schemas, eleven versions | the Helm chart | \`npm run test:helm\` |
`,
);

/** Largest errors of the vectors of a file. */
async function rowOfFile(file: string): Promise<string[]> {
  const worst = { float64: [0, 0], narrow: [0, 0] } as Record<'float64' | 'narrow', [number, number]>;
  const vectors = readVectors(file);
  for (const vector of vectors) {
    const { values, gradient } = await errorsOf(vector);
    const kept = worst[vector.dtype === 'float64' ? 'float64' : 'narrow'];
    kept[0] = Math.max(kept[0], values);
    kept[1] = Math.max(kept[1], gradient);
  }
  return [`\`${file}.json\``, String(vectors.length), ...[...worst.float64, ...worst.narrow].map(inWords)];
}

async function errorsOf(vector: Vector): Promise<{ values: number; gradient: number }> {
  const response = await fetch(`${url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK, accept: MSGPACK },
    body: packr.pack(requestOf(vector)) as Uint8Array<ArrayBuffer>,
  });
  if (!response.ok) throw new Error(`${vector.name}: ${response.status}`);
  const answer = unpackr.unpack(Buffer.from(await response.arrayBuffer())) as Evaluation;
  let values = 0;
  let gradient = 0;
  const single = answer as unknown as Record<string, number>;
  for (const name of ['loss', 'numerator', 'denominator', 'z_loss']) {
    if (Object.hasOwn(vector.expected, name)) {
      values = Math.max(values, errorOf(single[name]!, Number(vector.expected[name]), 1));
    }
  }
  for (const name of outputsOf(vector)) {
    const wanted = flatten(vector.expected[name]!);
    const got = Array.from(elementsOf(answer.outputs[name]!), Number);
    const error = wanted.reduce((top, value, k) => Math.max(top, errorOf(got[k]!, value, scaleOf(name, wanted))), 0);
    if (name === 'gradient') gradient = error;
    else if (name !== 'predictions' && name !== 'target_rank') values = Math.max(values, error);
  }
  return { values, gradient };
}

/** Error relative to the larger of `scale` and the expected value; infinite where they differ and one is not finite. */
function errorOf(got: number, wanted: number, scale: number): number {
  if (Object.is(got, wanted)) return 0;
  if (!Number.isFinite(got) || !Number.isFinite(wanted)) return Infinity;
  return Math.abs(got - wanted) / Math.max(scale, Math.abs(wanted));
}

function dtypePairs(): readonly PairDTypes[] {
  return [
    ['float32', 'float32'],
    ['bfloat16', 'bfloat16'],
    ['float16', 'float16'],
    ['float64', 'float64'],
  ];
}

function divergences(): readonly {
  name: string;
  comparison: Comparison;
  exact: (pair: ExactPair) => bigint | undefined;
}[] {
  return [
    { name: 'forward KL', comparison: { direction: 'forward' }, exact: (pair) => pair.forwardKl() },
    { name: 'reverse KL', comparison: { direction: 'reverse' }, exact: (pair) => pair.reverseKl() },
    {
      name: 'Jensen–Shannon, β = 0.5',
      comparison: { direction: 'jensen_shannon', beta: 0.5 },
      exact: (pair) => pair.jensenShannon(0.5),
    },
  ];
}

function divergenceRow(dtypes: PairDTypes): string[] {
  const kernel = Kernel.load();
  const blocks = [64, 257].map((classes) => roundedPairs(makePairs({ ...FINITE, ...WITH_NEG_INF }, classes), dtypes));
  const errors = divergences().map(({ comparison, exact }) =>
    blocks.reduce((worst, rows) => {
      const { divergence } = kernel.placePair(blockOf(rows, dtypes)).compare(comparison);
      return rows.reduce((top, row, k) => {
        const wanted = exact(new ExactPair({ ...row, scale: 1 }));
        return wanted === undefined ? top : Math.max(top, errorOf(divergence[k]! / 1e-9, toNumber(wanted) / 1e-9, 1));
      }, worst);
    }, 0),
  );
  return [dtypes[0], String(blocks.flat().length), ...errors.map(inWords)];
}

/** The table of `lossmeter compare` for the files of llama.cpp. */
function compareFiles(): string {
  const command = ['src/cli/bin.js', 'compare', '--reference', `${LLAMA}base.kld`, `${LLAMA}near.safetensors`];
  const { stdout, status, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trimEnd();
}

function inWords(error: number): string {
  return error === 0 ? '0' : error.toExponential(1);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
