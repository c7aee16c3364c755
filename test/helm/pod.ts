/** Runs rendered pods as processes of this machine, with their environment, and with folders as volumes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ServiceProcess } from '../e2e/process.ts';
import { WorkerProcess } from '../jobs/worker-process.ts';
import { render, validate, workerOf, workloadOf } from './chart.ts';
import type { Document, Values } from './chart.ts';
import { containerIn, containerOf } from './pod-policy.ts';
import type { Container } from './pod-policy.ts';

export class Pod {
  readonly #root = mkdtempSync(path.join(tmpdir(), 'lossmeter-pod-'));
  readonly #documents: Document[];
  #service: ServiceProcess | undefined;

  private constructor(documents: Document[]) {
    this.#documents = documents;
  }

  /** Starts the service with the rendered environment. Values from Secrets must come from Secrets that the chart renders. */
  static async start(values: Values): Promise<Pod> {
    const { documents, problems } = validate({ pod: await render(values) });
    if (problems.length > 0) throw new Error(problems.join('\n'));
    const pod = new Pod(documents['pod']!);
    pod.#mount();
    pod.#service = await ServiceProcess.start(pod.#environment(pod.container));
    return pod;
  }

  /** Starts a worker of the same release, which mounts the same volumes. The end of the test kills it. */
  startWorker(): WorkerProcess {
    return new WorkerProcess(this.#environment(containerIn(workerOf(this.#documents))));
  }

  get container(): Container {
    return containerOf(this.#documents);
  }

  get service(): ServiceProcess {
    return this.#service!;
  }

  get graceSeconds(): number {
    return workloadOf(this.#documents).spec.template.spec.terminationGracePeriodSeconds as number;
  }

  get workerGraceSeconds(): number {
    return workerOf(this.#documents).spec.template.spec.terminationGracePeriodSeconds as number;
  }

  /** Path on this machine of a path in the pod. */
  pathOf(inPod: string): string {
    return path.join(this.#root, inPod);
  }

  /** URL of a probe. */
  probe(name: 'startupProbe' | 'livenessProbe' | 'readinessProbe'): string {
    const { path: at, port } = this.container[name].httpGet as { path: string; port: string };
    const { containerPort } = this.container.ports!.find((candidate) => candidate.name === port)!;
    return `http://127.0.0.1:${containerPort}${at}`;
  }

  async remove(): Promise<void> {
    await this.#service?.end('SIGKILL');
    rmSync(this.#root, { recursive: true });
  }

  /** Creates a folder for each volume. The folder of a Secret gets its files. */
  #mount(): void {
    const volumes = (workloadOf(this.#documents).spec.template.spec.volumes ?? []) as {
      name: string;
      secret?: { secretName: string };
    }[];
    for (const { name, mountPath } of this.container.volumeMounts) {
      mkdirSync(this.pathOf(mountPath), { recursive: true });
      const secretName = volumes.find((volume) => volume.name === name)?.secret?.secretName;
      if (secretName === undefined) continue;
      for (const [file, text] of Object.entries(this.#secret(secretName))) {
        writeFileSync(path.join(this.pathOf(mountPath), file), text);
      }
    }
  }

  #secret(name: string): Record<string, string> {
    return this.#documents.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === name)!.stringData!;
  }

  #environment({ env, volumeMounts }: Container): Record<string, string> {
    const inVolume = (value: string): boolean =>
      volumeMounts.some(({ mountPath }) => value === mountPath || value.startsWith(`${mountPath}/`));
    return Object.fromEntries(
      env.map(({ name, value, valueFrom }) => {
        const { secretKeyRef: reference } = valueFrom ?? {};
        const text = value ?? (reference && this.#secret(reference.name)[reference.key]) ?? '';
        return [name, inVolume(text) ? this.pathOf(text) : text];
      }),
    );
  }
}
