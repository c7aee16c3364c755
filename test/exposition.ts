/** Strict reader of the Prometheus text format, version 0.0.4. */
import { expect } from 'vitest';

interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

export interface Family {
  type: string;
  help: string;
  samples: Sample[];
}

const SAMPLE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/;
const LABEL = /(?<name>[a-zA-Z_]\w*)="(?<value>(?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

/** The metrics of an answer. */
export class Exposition {
  readonly families: ReadonlyMap<string, Family>;

  constructor(text: string) {
    expect(text).toMatch(/\n$/);
    const families = new Map<string, Family>();
    const seen = new Set<string>();
    let current: (Family & { name: string }) | undefined;
    for (const line of text.split('\n').filter((line) => line !== '')) {
      const help = /^# HELP (\S+) (.+)$/.exec(line);
      if (help !== null) {
        const [, name, text] = help as unknown as [string, string, string];
        expect(families.has(name), name).toBe(false);
        current = { name, help: text, type: '', samples: [] };
        families.set(name, current);
        continue;
      }
      const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
      if (type !== null) {
        expect([type[1], current?.type], line).toEqual([current?.name, '']);
        current!.type = type[2]!;
        continue;
      }
      const sample = readSample(line);
      expect(seen.has(line.slice(0, line.lastIndexOf(' '))), `twice: ${line}`).toBe(false);
      seen.add(line.slice(0, line.lastIndexOf(' ')));
      const suffix = sample.name.slice(current!.name.length);
      const suffixes = current!.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      expect([sample.name.startsWith(current!.name), suffixes], line).toEqual([true, expect.arrayContaining([suffix])]);
      current!.samples.push(sample);
    }
    this.families = families;
  }

  static async read(response: Response): Promise<Exposition> {
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    return new Exposition(await response.text());
  }

  /** Every sample. */
  get samples(): Sample[] {
    return [...this.families.values()].flatMap(({ samples }) => samples);
  }

  /** The sum of the samples of that name whose labels have those values. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.samples
      .filter((sample) => sample.name === name)
      .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }
}

function readSample(line: string): Sample {
  const { name, labels, value } = SAMPLE.exec(line)?.groups ?? {};
  expect(name, `no sample: ${line}`).toBeDefined();
  const pairs = [...(labels ?? '').matchAll(LABEL)];
  expect(pairs.map(([text]) => text).join(''), line).toBe(labels ?? '');
  const values = pairs.map(({ groups }): [string, string] => [groups!['name']!, unescape(groups!['value']!)]);
  const number = value === '+Inf' ? Infinity : Number(value);
  expect(number, line).not.toBeNaN();
  return { name: name!, labels: Object.fromEntries(values), value: number };
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}
