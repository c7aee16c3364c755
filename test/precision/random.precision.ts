import { testPrecision } from './suite.ts';

const { PRECISION_SEED: seed = String(Math.floor(Math.random() * 2 ** 31)), PRECISION_REQUESTS: requests = '5000' } =
  process.env;

testPrecision({ seed: Number(seed), requests: Number(requests) });
