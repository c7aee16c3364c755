import { SEQUENCE_CASES } from './cases/sequences.ts';
import { examineAll } from './suite.ts';

examineAll(SEQUENCE_CASES);
