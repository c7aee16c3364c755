/**
 * Runs the Python clients of this folder, which are not ours, against the service. Arguments are pytest's:
 * `npm run test:python -- -k upload`.
 */
import { runSuite } from './pytest.ts';
import { CLIENTS_OF_OTHERS } from './suites.ts';

process.exitCode = runSuite(CLIENTS_OF_OTHERS, process.argv.slice(2));
