import { expect, test } from 'vitest';
import { suggestVariable, unknownVariables } from '../src/config.ts';

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
