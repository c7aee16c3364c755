import { testPrecision } from './suite.ts';

// The same requests in every run.
testPrecision({ seed: 1, requests: 250 });
