import { expect, test } from 'vitest';
import { loadConfig, suggestVariable, unknownVariables } from '../src/environment.ts';

test.each([
  ['LOSSMETER_PORT', '9000', 'port', 9000],
  ['LOSSMETER_MAX_BODY_BYTES', '1e9', 'maxBodyBytes', 1e9],
  ['LOSSMETER_ALLOW_ANONYMOUS', 'true', 'allowAnonymous', true],
  ['LOSSMETER_ALLOW_ANONYMOUS', 'false', 'allowAnonymous', false],
  ['LOSSMETER_KERNEL', 'strict', 'kernel', 'strict'],
  ['LOSSMETER_SOCKET', '17', 'socket', '17'],
  ['MLFLOW_TRACKING_URI', 'http://mlflow:5000', 'mlflowTrackingUri', 'http://mlflow:5000'],
] as const)('%s=%s', (name, text, key, value) => {
  expect(loadConfig({ [name]: text, OTHER: 'x' })).toEqual({ ...loadConfig({}), [key]: value });
});

test.each([
  ['LOSSMETER_PORT', 'http', 'must be an integer'],
  ['LOSSMETER_PORT', '', 'must be an integer'],
  ['LOSSMETER_PORT', '80.5', 'must be an integer'],
  ['LOSSMETER_PORT', '65536', 'must be at most 65535'],
  ['LOSSMETER_ALLOW_ANONYMOUS', '1', 'must be true or false'],
  ['LOSSMETER_ALLOW_ANONYMOUS', 'constructor', 'must be true or false'],
  ['LOSSMETER_KERNEL', 'fast', 'must be one of auto, relaxed, strict'],
  ['LOSSMETER_HOST', '', 'must have at least 1 character'],
])('%s=%s is rejected', (name, text, reason) => {
  expect(() => loadConfig({ [name]: text })).toThrow(new Error(`${name} ${reason}`));
});

test('all invalid variables are named at once', () => {
  const load = () => loadConfig({ LOSSMETER_PORT: 'x', LOSSMETER_KERNEL: 'fast' });
  expect(load).toThrow(/^LOSSMETER_PORT must be an integer\nLOSSMETER_KERNEL must be one of/);
});

test('unknown variables of the service are named, with what was probably meant', () => {
  const environment = {
    LOSSMETER_PROT: '1',
    LOSSMETER_MAX_BODY_BYTE: '1',
    LOSSMETER_FOO: '1',
    LOSSMETER_PORT: '8080',
    OTHER_PROT: '1',
  };
  expect(unknownVariables(environment)).toEqual([
    { name: 'LOSSMETER_PROT', meant: 'LOSSMETER_PORT' },
    { name: 'LOSSMETER_MAX_BODY_BYTE', meant: 'LOSSMETER_MAX_BODY_BYTES' },
    { name: 'LOSSMETER_FOO', meant: undefined },
  ]);
});

test('variables of the clients are known', () => {
  expect(unknownVariables({ LOSSMETER_URL: 'http://127.0.0.1:8080', LOSSMETER_API_KEY: 'lm_x' })).toEqual([]);
});

test('a setting of MLflow is no variable of the service', () => {
  expect(suggestVariable('mlflow_tracking_uri')).toBeUndefined();
});
