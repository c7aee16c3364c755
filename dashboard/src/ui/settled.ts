import { useEffect, useState } from 'preact/hooks';

/** Returns the last value that stayed the same for the given milliseconds. @param key equal for equal values */
export function useSettled<Value>(value: Value, key: string, milliseconds: number): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}
