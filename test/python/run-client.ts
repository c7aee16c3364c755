/**
 * Runs the suite of the client against the service. Arguments are pytest's: `npm run test:client -- -k torch`.
 */
import { runSuite } from './pytest.ts';

const folder = 'clients/python';
const args = process.argv.slice(2);
const client = runSuite(
  { name: 'client', requirements: `${folder}/tests/requirements.txt`, folder, tests: 'tests' },
  args,
);
// MindSpore takes an older NumPy than the others, and so an environment of its own: the client runs with both.
const requirements = `${folder}/tests/with_mindspore/requirements.txt`;
const mindspore = runSuite({ name: 'client-mindspore', requirements, folder, tests: 'tests/with_mindspore' }, args);
process.exitCode = client === 0 ? mindspore : client;
