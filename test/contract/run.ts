/** Runs Schemathesis against the service. Passes arguments to pytest: `npm run test:contract -- -k "with keys"`. */
import { runSuite } from '../python/pytest.ts';

const suite = { name: 'contract', requirements: 'test/contract/requirements.txt', folder: '.', tests: 'test/contract' };
process.exitCode = runSuite(suite, process.argv.slice(2));
