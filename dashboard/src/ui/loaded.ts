import { useEffect, useState } from 'preact/hooks';

export interface Loaded<Value> {
  /** Newest answer. It may belong to earlier dependencies. */
  value?: Value;
  /** Failure of the newest request. */
  error?: unknown;
}

/** Loads a value, and again when a dependency changes. @param load undefined while there is nothing to load */
export function useLoaded<Value>(
  load: ((signal: AbortSignal) => Promise<Value>) | undefined,
  dependencies: readonly unknown[],
): Loaded<Value> {
  const [loaded, setLoaded] = useState<Loaded<Value>>({});
  useEffect(() => {
    if (load === undefined) return;
    const controller = new AbortController();
    const { signal } = controller;
    // Drops the failure of an earlier request.
    setLoaded(({ value }) => ({ ...(value !== undefined && { value }) }));
    const read = async (): Promise<void> => {
      try {
        const value = await load(signal);
        if (!signal.aborted) setLoaded({ value });
      } catch (error) {
        if (!signal.aborted) setLoaded((before) => ({ ...before, error }));
      }
    };
    void read();
    return () => controller.abort();
  }, dependencies);
  return loaded;
}
