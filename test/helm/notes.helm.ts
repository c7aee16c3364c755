/** The notes that Helm prints after an installation. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CHART, render, validate } from './chart.ts';
import type { Values } from './chart.ts';

/** A copy of the chart that also renders its notes as a document: without a cluster Helm prints none. */
let chart = '';

beforeAll(() => {
  chart = mkdtempSync(join(tmpdir(), 'lossmeter-notes-'));
  cpSync(CHART, chart, { recursive: true, dereference: true });
  const notes = readFileSync(join(CHART, 'templates/NOTES.txt'), 'utf8');
  writeFileSync(join(chart, 'templates/_notes.tpl'), `{{ define "notes" }}${notes}{{ end }}`);
  const document = 'kind: Notes\napiVersion: v1\ndata:\n  text: {{ include "notes" . | toJson }}\n';
  writeFileSync(join(chart, 'templates/notes.yaml'), document);
});

afterAll(() => rmSync(chart, { recursive: true }));

const POSTGRES = { kind: 'postgres', postgres: { existingSecret: 'db' } };
const GATEWAY = { enabled: true, parentRefs: [{ name: 'g' }], hostnames: ['b.example'] };

test.each<[string, Values, RegExp]>([
  ['where the service is', {}, /^Within the cluster: http:\/\/trainers-lossmeter\.loss:80$/m],
  ['how this machine reaches it', { service: { port: 81 } }, /^ {2}kubectl --namespace loss port-forward .* 8080:81$/m],
  ['which Secret the pods wait for', {}, /^ {2}kubectl .* create secret generic trainers-lossmeter-keys --from-file/m],
  ['which claim remains', {}, /the claim store-trainers-lossmeter-0, which remains/],
  ['that everybody may come', { access: { anonymous: true } }, /^Everybody who reaches the Service/m],
  ['that the history ends', { store: { sqlite: { ephemeral: true } } }, /^The history ends with the pod/m],
  [
    'how another address is read',
    { store: POSTGRES },
    /^ {2}kubectl .* rollout restart deployment\/trainers-lossmeter$/m,
  ],
  [
    'the address from outside',
    { ingress: { enabled: true, host: 'a.example' } },
    /^From outside: http:\/\/a\.example$/m,
  ],
  [
    'that workers read another address too',
    { store: POSTGRES, worker: { enabled: true }, data: { existingClaim: 'a' } },
    /rollout restart deployment\/trainers-lossmeter deployment\/trainers-lossmeter-worker$/m,
  ],
  [
    'who evaluates the files of jobs',
    { store: POSTGRES, worker: { enabled: true, tasks: 3 }, data: { existingClaim: 'a' } },
    /^Files of jobs are evaluated by deployment\/trainers-lossmeter-worker, 3 at a time in each of its pods\.$/m,
  ],
  [
    'that jobs wait without a worker',
    { store: POSTGRES, settings: { s3Buckets: 'a' } },
    /^Jobs wait, because there is no worker: set worker\.enabled=true\.$/m,
  ],
  ['the name at the gateway', { httpRoute: GATEWAY }, /^From outside: through the gateway, as b\.example$/m],
])('the notes say %s', async (_, values, expected) => {
  const { documents } = validate({ notes: await render(values, chart) }, []);
  const { text } = documents['notes']!.find(({ kind }) => kind === 'Notes')!.data!;
  expect(text).toMatch(expected);
  expect(text).not.toMatch(/\n{3}|<no value>/);
});
