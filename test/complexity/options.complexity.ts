import { OPTION_CASES } from './cases/options.ts';
import { examineAll } from './suite.ts';

examineAll(OPTION_CASES);
