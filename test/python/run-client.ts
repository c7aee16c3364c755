/**
 * Runs the suite of the client against the service. Arguments are pytest's: `npm run test:client -- -k torch`.
 */
import { runSuite } from './pytest.ts';

const FOLDER = 'clients/python';
/** What is the same for both: the client itself says what it takes. */
const client = { folder: FOLDER, others: [`${FOLDER}/pyproject.toml`] };
// MindSpore takes an older NumPy than the others, and so an environment of its own: the client runs with both.
const suites = [
  {
    ...client,
    name: 'client',
    tests: 'tests',
    requirements: `${FOLDER}/tests/requirements.txt`,
    // TRL and Liger bring large libraries that their losses do not need.
    alone: `${FOLDER}/tests/requirements-alone.txt`,
  },
  {
    ...client,
    name: 'client-mindspore',
    tests: 'tests/with_mindspore',
    requirements: `${FOLDER}/tests/with_mindspore/requirements.txt`,
  },
];

const codes = suites.map((suite) => runSuite(suite, process.argv.slice(2)));
process.exitCode = codes.find((code) => code !== 0) ?? 0;
