import { COMPARISON_CASES } from './cases/comparisons.ts';
import { examineAll } from './suite.ts';

examineAll(COMPARISON_CASES);
