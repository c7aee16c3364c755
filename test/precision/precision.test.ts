import { testPrecision } from './suite.ts';

// `npm run test:precision` sends many more requests.
testPrecision({ seed: 1, requests: 250 });
