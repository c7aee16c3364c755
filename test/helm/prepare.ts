import { validate } from './chart.ts';
import { helmProgram, podSecurityProgram } from './toolbox.ts';

/** Installs programs and schemas before the test files, which run concurrently. */
export default function prepare(): void {
  helmProgram();
  podSecurityProgram();
  validate({}, []);
}
