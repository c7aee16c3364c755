import { useEffect } from 'preact/hooks';

/** Calls at once and then again and again, one call after the other; not while nobody sees the page. */
export function usePolling(
  call: (signal: AbortSignal) => Promise<void>,
  milliseconds: number,
  dependencies: readonly unknown[],
): void {
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    const poll = async (): Promise<void> => {
      if (!document.hidden) await call(controller.signal);
      if (!controller.signal.aborted) timer = window.setTimeout(() => void poll(), milliseconds);
    };
    void poll();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, dependencies);
}
