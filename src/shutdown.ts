import type { AllEvents } from 'close-with-grace';

/** Milliseconds for closing, in addition to the time for work in progress. */
export const CLOSE_MS = 10_000;

/**
 * Signals of a faulty instruction. A listener would return to the instruction, which would fail again, endlessly;
 * without one they end the process.
 */
export const FAULT_SIGNALS: AllEvents[] = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'];
