import type { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

/** Attempts of the SDK at a request, of which a response came or none. They wait longer and longer, up to seconds. */
const MAX_ATTEMPTS = 4;

/** Requests of a process under way at a time. */
export const MAX_REQUESTS = 32;

/** Milliseconds in which a connection is made. */
const CONNECT_MS = 5000;

export interface S3Options {
  /** True where the bucket is the first segment of the URL's path, and not a part of its host name. */
  s3PathStyle: boolean;
  /** Seconds in which a response must begin, and over which its progress is judged. */
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
    // A range has no checksum; the hash of a whole object would take the main thread's time.
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
