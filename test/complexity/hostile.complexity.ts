import { HOSTILE_CASES } from './cases/hostile.ts';
import { examineAll } from './suite.ts';

examineAll(HOSTILE_CASES);
