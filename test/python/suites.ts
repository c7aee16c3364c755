/** Suites in Python, each in its own environment. */
import type { Suite } from './pytest.ts';

/** Third-party clients. */
export const CLIENTS_OF_OTHERS: Suite = {
  name: 'python',
  requirements: 'test/python/requirements.txt',
  // The metrics need few of the dependencies of the packages in this list.
  alone: 'test/python/requirements-alone.txt',
  folder: '.',
  tests: 'test/python',
};

const FOLDER = 'clients/python';
/** Settings of both suites. The pyproject.toml of the client lists its dependencies. */
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
