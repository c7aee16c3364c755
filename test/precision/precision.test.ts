import { testPrecision } from './suite.ts';

// `npm run test:precision` has many more.
testPrecision({ seed: 1, requests: 250 });
