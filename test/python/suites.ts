/** Suites in Python, each in an environment of its own. */
import type { Suite } from './pytest.ts';

/** Clients that are not ours. */
export const CLIENTS_OF_OTHERS: Suite = {
  name: 'python',
  requirements: 'test/python/requirements.txt',
  // Its metrics need little of the packages that it requires.
  alone: 'test/python/requirements-alone.txt',
  folder: '.',
  tests: 'test/python',
};

const FOLDER = 'clients/python';
/** The same for both: the client itself says what it requires. */
const client = { folder: FOLDER, others: [`${FOLDER}/pyproject.toml`] };

/** The client with the libraries that it works with. */
export const CLIENT: Suite = {
  ...client,
  name: 'client',
  tests: 'tests',
  requirements: `${FOLDER}/tests/requirements.txt`,
  // TRL and Liger bring large libraries that their losses do not need.
  alone: `${FOLDER}/tests/requirements-alone.txt`,
};

/** The client with MindSpore, which requires an older NumPy than the others. */
export const CLIENT_WITH_MINDSPORE: Suite = {
  ...client,
  name: 'client-mindspore',
  tests: 'tests/with_mindspore',
  requirements: `${FOLDER}/tests/with_mindspore/requirements.txt`,
};
