import { useEffect } from 'preact/hooks';

/** Calls at once and then again and again, one call after the other; not while nobody sees the page, and at once after. */
export function usePolling(
  call: (signal: AbortSignal) => Promise<void>,
  milliseconds: number,
  dependencies: readonly unknown[],
): void {
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    let isCalling = false;
    const poll = async (): Promise<void> => {
      if (document.hidden || isCalling) return;
      clearTimeout(timer);
      isCalling = true;
      await call(controller.signal);
      isCalling = false;
      if (!controller.signal.aborted) timer = window.setTimeout(pollSoon, milliseconds);
    };
    const pollSoon = (): void => void poll();
    document.addEventListener('visibilitychange', pollSoon);
    pollSoon();
    return () => {
      document.removeEventListener('visibilitychange', pollSoon);
      controller.abort();
      clearTimeout(timer);
    };
  }, dependencies);
}
