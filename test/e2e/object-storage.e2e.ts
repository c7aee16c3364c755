import { expect, test } from 'vitest';
import { NoStartError, ServiceProcess } from './process.ts';

/** Module that makes every import of the SDK fail. */
const WITHOUT_SDK = `data:text/javascript,import { registerHooks } from 'node:module';
registerHooks({ resolve(name, context, next) {
  if (name.startsWith('@aws-sdk/')) throw new Error('the SDK was loaded');
  return next(name, context);
} });`;

const NODE_OPTIONS = `--import "${encodeURI(WITHOUT_SDK)}"`;

/** Environment without the AWS configuration of the machine. */
const NO_AWS = {
  AWS_REGION: '',
  AWS_DEFAULT_REGION: '',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
};

async function failureOf(environment: Record<string, string>): Promise<NoStartError> {
  const started = ServiceProcess.start(environment);
  const failure = await started.then(
    (service) => service.end(),
    (error: unknown) => error,
  );
  if (failure instanceof NoStartError) return failure;
  throw new Error('it started');
}

test('the SDK of AWS is loaded only where a bucket is allowed', async () => {
  const service = await ServiceProcess.start({ NODE_OPTIONS });
  expect(await service.end()).toBe(0);
  const { output, exitCode } = await failureOf({ NODE_OPTIONS, LOSSMETER_S3_BUCKETS: 'a', AWS_REGION: 'us-east-1' });
  expect(output).toContain('the SDK was loaded');
  expect(exitCode).toBe(1);
});

test('buckets without a region are a start that failed, and the variable is named', async () => {
  const { output, exitCode } = await failureOf({ ...NO_AWS, LOSSMETER_S3_BUCKETS: 'a' });
  expect(exitCode).toBe(1);
  expect(output).toContain('object storage needs a region: set AWS_REGION');
  expect(output).not.toContain('    at ');
});

test.each(['', 'a,', 'a b', 's3://a', 'arn:aws:s3:::a', 'a/b', '*'])(
  'the list of buckets %j is refused',
  async (buckets) => {
    const { output, exitCode } = await failureOf({ LOSSMETER_S3_BUCKETS: buckets });
    expect(exitCode).toBe(2);
    expect(output).toContain('LOSSMETER_S3_BUCKETS must have the form of "logits, checkpoints"');
  },
);
