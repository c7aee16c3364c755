import { useEffect, useState } from 'preact/hooks';
import { parseAnswer } from '../../../clients/typescript/src/json.ts';
import { follow } from '../api/live.ts';
import { mayPass } from '../api/request.ts';
import { MAX_POINTS, eventsPathOf, getRun, getSteps } from '../api/runs.ts';
import type { RunSummary, StepPoint } from '../api/types.ts';
import { mergeSteps } from '../series/merge.ts';
import { useIsVisible } from './visibility.ts';

/** `lost`: the page tries again. `refused`: it does not. */
export type Connection = 'connecting' | 'live' | 'lost' | 'refused' | 'deleted';

export interface LiveRun {
  summary?: RunSummary;
  points: StepPoint[];
  /** True when the points are those of the whole run, and not only those that events told. */
  isLoaded: boolean;
  connection: Connection;
  error?: unknown;
}

/** Milliseconds by which the counts of a run may be behind its curve. */
const SUMMARY_MS = 1500;

/** Milliseconds until a run that could not be read is read again. */
const RETRY_MS = 3000;

/** A run as it grows. Browsers open six connections to a service, over all tabs: one that nobody sees holds none. */
export function useLiveRun(run: string): LiveRun {
  const [state, setState] = useState<LiveRun>({ points: [], isLoaded: false, connection: 'connecting' });
  const isVisible = useIsVisible();
  useEffect(() => {
    if (!isVisible) return;
    setState((state) => ({ ...state, connection: 'connecting' }));
    const controller = new AbortController();
    const feed = new RunFeed(run, controller.signal, (change) => setState((state) => ({ ...state, ...change(state) })));
    feed.start().catch((error: unknown) => {
      if (!controller.signal.aborted) setState((state) => ({ ...state, connection: 'refused', error }));
    });
    return () => controller.abort();
  }, [run, isVisible]);
  return state;
}

type Change = (state: LiveRun) => Partial<LiveRun>;

/** Milliseconds after which a run that was active, or running, is read again. */
const ACTIVE_MS = 60_000;

/** Loads a run, and then puts into it what events tell, all of a frame at once. */
class RunFeed {
  readonly #run: string;
  readonly #signal: AbortSignal;
  readonly #emit: (change: Change) => void;
  /** Told, and not yet shown. */
  #fresh: StepPoint[] = [];
  #isFrameAsked = false;
  #isSummaryAsked = false;
  #isLoading = false;
  #loading = Promise.resolve();
  /** The run, when its points were loaded. */
  #last: RunSummary | undefined;
  readonly #deleted = new AbortController();
  #statusTimer = 0;
  /** Number of points that the service answered with. */
  #loaded = 0;

  constructor(run: string, signal: AbortSignal, onChange: (change: Change) => void) {
    this.#run = run;
    this.#signal = signal;
    this.#emit = (change) => {
      if (!signal.aborted) onChange(change);
    };
    signal.addEventListener('abort', () => clearTimeout(this.#statusTimer));
  }

  async start(): Promise<void> {
    // A run that is long takes a while: the connection is made meanwhile.
    void this.#load();
    const listener = {
      onOpen: (missed: boolean) => {
        this.#emit(() => ({ connection: 'live' }));
        if (missed) void this.#catchUp();
      },
      onLost: () => this.#emit(() => ({ connection: 'lost' })),
      onEvent: ({ type, data }: { type: string; data: string }) => this.#take(type, data),
    };
    await follow(eventsPathOf(this.#run), listener, AbortSignal.any([this.#signal, this.#deleted.signal]));
  }

  /** Loads what was recorded before the connection stood and after the run was loaded. */
  async #catchUp(): Promise<void> {
    await this.#loading;
    if (this.#signal.aborted || this.#deleted.signal.aborted) return;
    const before = this.#last;
    const summary = await getRun(this.#run, this.#signal).catch(() => undefined);
    const isSame = summary?.updated_at === before?.updated_at && summary?.batches === before?.batches;
    if (summary === undefined || !isSame) await this.#load();
  }

  #load(): Promise<void> {
    if (!this.#signal.aborted && !this.#isLoading) this.#loading = this.#read();
    return this.#loading;
  }

  async #read(): Promise<void> {
    this.#isLoading = true;
    try {
      const [summary, points] = await Promise.all([
        getRun(this.#run, this.#signal),
        getSteps(this.#run, {}, this.#signal),
      ]);
      this.#loaded = points.length;
      this.#last = summary;
      this.#emit(() => ({ points, isLoaded: true, error: undefined }));
      this.#showSummary(summary);
    } catch (error) {
      this.#emit(() => ({ error }));
      if (!this.#signal.aborted && mayPass(error)) setTimeout(() => void this.#load(), RETRY_MS);
    }
    this.#isLoading = false;
    this.#show();
  }

  #take(type: string, data: string): void {
    if (type === 'deleted') this.#end();
    if (type === 'run') this.#showSummary(parseAnswer(data) as RunSummary);
    if (type !== 'step') return;
    this.#fresh.push(parseAnswer(data) as StepPoint);
    if (!this.#isFrameAsked) requestAnimationFrame(() => this.#show());
    this.#isFrameAsked = true;
    this.#askForSummary();
  }

  #show(): void {
    this.#isFrameAsked = false;
    // Events that came meanwhile may be newer than the loaded steps, and replace them.
    if (this.#isLoading || this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#emit(({ points }) => {
      const merged = mergeSteps(points, newestOf(fresh));
      // A run that was watched for days: the service thins it out better.
      if (merged.length > this.#loaded + 2 * MAX_POINTS) void this.#load();
      return { points: merged };
    });
  }

  #askForSummary(): void {
    if (this.#isSummaryAsked) return;
    this.#isSummaryAsked = true;
    setTimeout(() => {
      this.#isSummaryAsked = false;
      this.#readSummary();
    }, SUMMARY_MS);
  }

  #readSummary(): void {
    if (this.#signal.aborted || this.#deleted.signal.aborted) return;
    getRun(this.#run, this.#signal).then(
      (summary) => this.#showSummary(summary),
      // The curve goes on; the counts follow with the next step.
      () => this.#askForStatus(),
    );
  }

  #showSummary(summary: RunSummary): void {
    this.#emit(() => ({ summary }));
    if (summary.status === 'active' || summary.state === 'running') this.#askForStatus();
  }

  /** Reads the summary later: no event says that a run is no longer active, or has crashed. */
  #askForStatus(): void {
    clearTimeout(this.#statusTimer);
    if (!this.#signal.aborted) this.#statusTimer = window.setTimeout(() => this.#readSummary(), ACTIVE_MS);
  }

  /** Follows the run no longer: another one may have its name. */
  #end(): void {
    this.#deleted.abort();
    clearTimeout(this.#statusTimer);
    this.#emit(() => ({ connection: 'deleted' }));
  }
}

/** Merges events: a step has one for each rank that reports. */
function newestOf(points: readonly StepPoint[]): StepPoint[] {
  return [...new Map(points.map((point) => [point.step, point])).values()].toSorted((a, b) => a.step - b.step);
}
