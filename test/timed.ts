/**
 * Options of a test that bounds a time. Another process may take the cores meanwhile, or a collection of garbage fall into the
 * time: a test that fails is repeated. What takes too long by itself fails each time.
 */
export const TIMED = { retry: 2 };
