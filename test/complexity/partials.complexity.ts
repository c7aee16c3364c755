import { PARTIAL_CASES } from './cases/partials.ts';
import { examineAll } from './suite.ts';

examineAll(PARTIAL_CASES);
