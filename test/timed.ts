/**
 * Options of a test that limits a time. A failed test is repeated, because another process or a garbage collection may
 * have taken the time. Code that is too slow fails each time.
 */
export const TIMED = { retry: 2 };
