import { validate } from './chart.ts';
import { helmProgram, podSecurityProgram } from './toolbox.ts';

/** Installs programs and schemas before the test files, which run at the same time. */
export default function prepare(): void {
  helmProgram();
  podSecurityProgram();
  validate({}, []);
}
