import { HISTORY_CASES } from './cases/history.ts';
import { examineAll } from './suite.ts';

examineAll(HISTORY_CASES);
