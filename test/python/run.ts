/**
 * Runs the tests of this folder: third-party Python clients against the service. Passes arguments to pytest:
 * `npm run test:python -- -k upload`.
 */
import { runSuite } from './pytest.ts';
import { CLIENTS_OF_OTHERS } from './suites.ts';

process.exitCode = runSuite(CLIENTS_OF_OTHERS, process.argv.slice(2));
