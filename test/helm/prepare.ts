import { validate } from './chart.ts';
import { helmProgram } from './toolbox.ts';

/** Installs Helm and the schemas before the test files, which run at the same time. */
export default function prepare(): void {
  helmProgram();
  validate({}, []);
}
