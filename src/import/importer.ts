import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadOptions } from './format.ts';
import type { Entry } from './item.ts';
import { OpenStream } from './open-stream.ts';
import type { Portion } from './open-stream.ts';
import type { Source } from './sources.ts';

/** Milliseconds between two polls of files that may grow. */
const POLL_MS = 500;

/** Number of polls between two searches for further files. */
const POLLS_OF_FIND = 4;

/** Receiver of the entries that an import reads. */
export interface Sink {
  add(source: Source, entries: readonly Entry[]): Promise<void>;
  /** Sends the buffered entries. */
  flush(): Promise<void>;
}

export interface ImportSettings {
  options: Omit<ReadOptions, 'rank'>;
  /** Reports the progress in bytes. */
  onRead?: (bytes: number) => void;
  /** Finds further files, until the signal is aborted; undefined to stop at the current ends of the files. */
  follow?: { find: () => Promise<readonly Source[]>; signal: AbortSignal };
}

/**
 * Reads sources into a sink. Streams are read in rotation, the files of a stream one after the other. A later attempt
 * replaces steps of an earlier one, so it waits until all streams of the run have reached it.
 */
export async function importSources(
  sources: readonly Source[],
  sink: Sink,
  { options, onRead, follow }: ImportSettings,
): Promise<void> {
  const runs = new Map<string, Map<string, OpenStream>>();
  const known = new Set<string>();
  const open = (found: readonly Source[]): void => {
    for (const source of found) {
      const { run, format, rank, path } = source;
      if (known.has(path)) continue;
      known.add(path);
      const streams = runs.get(run) ?? new Map<string, OpenStream>();
      runs.set(run, streams);
      const key = `${format.name} ${rank}`;
      streams.set(key, (streams.get(key) ?? new OpenStream(format.stream({ ...options, rank }))).open(source));
    }
  };
  const all = (): OpenStream[] => [...runs.values()].flatMap((streams) => [...streams.values()]);
  const isStopped = (): boolean => follow?.signal.aborted === true;
  open(sources);
  try {
    for (let polls = 0; ;) {
      let progress = 0;
      for (const streams of runs.values()) {
        for (const stream of streams.values()) {
          const bytes = await stream.read({ hasEnd: follow === undefined });
          onRead?.(bytes);
          progress += bytes;
        }
        progress += await release([...streams.values()], sink);
        if (isStopped()) break;
      }
      // Streams at the current ends of their files do not delay other streams.
      if (progress === 0) for (const stream of all()) progress += await addAll(stream.take(Infinity), sink);
      if (progress > 0 && !isStopped()) continue;
      await sink.flush();
      if (follow === undefined || isStopped()) return;
      await sleep(POLL_MS, undefined, { signal: follow.signal }).catch(() => undefined);
      for (const stream of all()) stream.rewind();
      polls += 1;
      if (polls % POLLS_OF_FIND === 0) open(await follow.find());
    }
  } finally {
    for (const stream of all()) await stream.close();
  }
}

/** Passes on the portions of the earliest attempt of a run. @returns their number */
function release(streams: readonly OpenStream[], sink: Sink): Promise<number> {
  const attempt = Math.min(...streams.map((stream) => stream.attempt));
  return addAll(
    streams.flatMap((stream) => stream.take(attempt)),
    sink,
  );
}

async function addAll(portions: readonly Portion[], sink: Sink): Promise<number> {
  for (const { source, entries } of portions) await sink.add(source, entries);
  return portions.length;
}
