import { SCALAR_CASES } from './cases/scalars.ts';
import { examineAll } from './suite.ts';

examineAll(SCALAR_CASES);
