import { useEffect, useState } from 'preact/hooks';

/** The last value that stayed the same for some milliseconds. @param key of it: equal values have equal keys */
export function useSettled<Value>(value: Value, key: string, milliseconds: number): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}
