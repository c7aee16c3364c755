import { EVALUATION_CASES } from './cases/evaluations.ts';
import { examineAll } from './suite.ts';

examineAll(EVALUATION_CASES);
