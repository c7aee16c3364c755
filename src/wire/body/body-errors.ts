import { LossmeterError } from '../../errors.ts';

export function truncated(what: string, expected: number, came: number): LossmeterError {
  return new LossmeterError(
    'truncated_body',
    `the body ends within ${what}: expected ${expected} bytes, received ${came}`,
  );
}

/** @param bytes number of bytes received after the end */
export function trailing(bytes: number): LossmeterError {
  return new LossmeterError('malformed_body', `at least ${bytes} bytes follow the end of the request`);
}
