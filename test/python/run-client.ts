/**
 * Runs the suite of the client against the service. Passes arguments to pytest: `npm run test:client -- -k torch`.
 */
import { CLIENT, CLIENT_WITH_MINDSPORE } from './suites.ts';
import { runSuite } from './pytest.ts';

const codes = [CLIENT, CLIENT_WITH_MINDSPORE].map((suite) => runSuite(suite, process.argv.slice(2)));
process.exitCode = codes.find((code) => code !== 0) ?? 0;
