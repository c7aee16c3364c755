import { LIFE_CASES } from './cases/life.ts';
import { examineAll } from './suite.ts';

examineAll(LIFE_CASES);
