import { useEffect, useState } from 'preact/hooks';
import { parseAnswer } from '../../../clients/typescript/src/json.ts';
import { follow } from '../api/live.ts';
import { mayPass } from '../api/request.ts';
import { MAX_POINTS, eventsPathOf, getRun, getSteps } from '../api/runs.ts';
import type { RunSummary, StepPoint } from '../api/types.ts';
import { mergeSteps } from '../series/merge.ts';
import { isUnchanged } from './unchanged.ts';
import { useIsVisible } from './visibility.ts';

/** `lost`: the page reconnects. `refused`: it does not. */
export type Connection = 'connecting' | 'live' | 'lost' | 'refused' | 'deleted';

export interface LiveRun {
  summary?: RunSummary;
  points: StepPoint[];
  /** True when the points of the whole run are loaded, not only those from events. */
  isLoaded: boolean;
  connection: Connection;
  error?: unknown;
}

/** Milliseconds by which the counts of a run may lag behind its curve. */
const SUMMARY_MS = 1500;

/** Milliseconds before a failed read of a run is retried. */
const RETRY_MS = 3000;

/** Follows a run. A hidden page holds no connection: browsers open six connections to a service, over all tabs. */
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

/** Milliseconds after which the summary of an active or running run is read again. */
const ACTIVE_MS = 60_000;

/** Loads a run, then adds the points from its events, once per animation frame. */
class RunFeed {
  readonly #run: string;
  readonly #signal: AbortSignal;
  readonly #emit: (change: Change) => void;
  /** Points from events that are not yet shown. */
  #fresh: StepPoint[] = [];
  #isFrameAsked = false;
  #isSummaryAsked = false;
  #isLoading = false;
  #loading = Promise.resolve();
  /** Summary of the run at the time when its points were loaded. */
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
    // A long run loads slowly. The connection is opened meanwhile.
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

  /** Loads the run again when something was recorded between its load and the opening of the connection. */
  async #catchUp(): Promise<void> {
    await this.#loading;
    if (this.#isEnded) return;
    const before = this.#last;
    const summary = await getRun(this.#run, this.#signal).catch(() => undefined);
    if (summary === undefined || !isUnchanged(before, summary)) await this.#load();
  }

  #load(): Promise<void> {
    if (!this.#isEnded && !this.#isLoading) this.#loading = this.#read();
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
      if (!this.#isEnded && mayPass(error)) setTimeout(() => void this.#load(), RETRY_MS);
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
    // Events that arrive during a load may be newer than the loaded steps. They replace them afterwards.
    if (this.#isLoading || this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#emit(({ points }) => {
      const merged = mergeSteps(points, newestOf(fresh));
      // After days of events, the run is loaded again: the service thins the points better.
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
    if (this.#isEnded) return;
    getRun(this.#run, this.#signal).then(
      (summary) => this.#showSummary(summary),
      // The curve needs no summary. The counts follow with the next step.
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
    if (!this.#isEnded) this.#statusTimer = window.setTimeout(() => this.#readSummary(), ACTIVE_MS);
  }

  /** True once the page is closed or hidden, or the run was deleted. */
  get #isEnded(): boolean {
    return this.#signal.aborted || this.#deleted.signal.aborted;
  }

  /** Stops following the run: a new run may have its name. */
  #end(): void {
    this.#deleted.abort();
    clearTimeout(this.#statusTimer);
    this.#emit(() => ({ connection: 'deleted' }));
  }
}

/** Keeps the newest point of each step, in order: a step has an event for each rank that reports. */
function newestOf(points: readonly StepPoint[]): StepPoint[] {
  return [...new Map(points.map((point) => [point.step, point])).values()].toSorted((a, b) => a.step - b.step);
}
