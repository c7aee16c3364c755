import type { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

/** Maximum number of attempts of the SDK at a request. The pauses between attempts grow up to seconds. */
const MAX_ATTEMPTS = 4;

/** Maximum number of concurrent requests of a process. */
export const MAX_REQUESTS = 32;

/** Timeout for a connection, in milliseconds. */
const CONNECT_MS = 5000;

export interface S3Options {
  /** True to put the bucket into the path of the URL as its first segment, instead of the host name. */
  s3PathStyle: boolean;
  /** Seconds within which a response must begin, and over which the rate of its body is measured. */
  stallSeconds: number;
}

/** The client, and the commands that it takes. */
export interface S3 {
  readonly client: S3Client;
  readonly GetObject: typeof GetObjectCommand;
  readonly HeadObject: typeof HeadObjectCommand;
  readonly ListObjects: typeof ListObjectsV2Command;
}

/**
 * Loads the SDK and makes a client. Endpoint, region and credentials come from the standard variables and files of AWS.
 * The SDK is imported here only, because it takes longer to load than the rest of the service.
 * @throws Error without a region
 */
export async function loadS3({ s3PathStyle, stallSeconds }: S3Options): Promise<S3> {
  const [sdk, { makeAgents }] = await Promise.all([import('@aws-sdk/client-s3'), import('./agents.ts')]);
  const client = new sdk.S3Client({
    forcePathStyle: s3PathStyle,
    maxAttempts: MAX_ATTEMPTS,
    // A range has no checksum, and the hash of a whole object would take time of the main thread.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: stallSeconds * 1000,
      throwOnRequestTimeout: true,
      ...makeAgents({ keepAlive: true, maxSockets: MAX_REQUESTS }),
    },
  });
  try {
    await client.config.region();
  } catch (cause) {
    throw new Error('object storage needs a region: set AWS_REGION, to us-east-1 where the server has none', { cause });
  }
  return {
    client,
    GetObject: sdk.GetObjectCommand,
    HeadObject: sdk.HeadObjectCommand,
    ListObjects: sdk.ListObjectsV2Command,
  };
}
