/**
 * Runs the Python clients of this folder, which are not ours, against the service. Arguments are pytest's:
 * `npm run test:python -- -k upload`.
 */
import { runSuite } from './pytest.ts';

const suite = {
  name: 'python',
  requirements: 'test/python/requirements.txt',
  // Its metrics need little of the packages that it requires.
  alone: 'test/python/requirements-alone.txt',
  folder: '.',
  tests: 'test/python',
};
process.exitCode = runSuite(suite, process.argv.slice(2));
