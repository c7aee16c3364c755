import { JOB_CASES } from './cases/jobs.ts';
import { examineAll } from './suite.ts';

examineAll(JOB_CASES);
