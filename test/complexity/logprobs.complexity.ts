import { LOGPROB_CASES } from './cases/logprobs.ts';
import { examineAll } from './suite.ts';

examineAll(LOGPROB_CASES);
