import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, inject } from 'vitest';
import { FaultProxy } from './fault-proxy.ts';

const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };

/** A bucket behind a fault proxy. The standard AWS variables of this process point to the proxy. */
export class TestStorage {
  readonly bucket: string;
  #proxy: FaultProxy | undefined;
  #client: S3Client | undefined;

  private constructor(bucket: string) {
    this.bucket = bucket;
  }

  /** Creates the bucket before the tests of this file. */
  static start(bucket: string): TestStorage {
    const storage = new TestStorage(bucket);
    beforeAll(async () => {
      storage.#proxy = await FaultProxy.start(inject('s3'));
      Object.assign(process.env, storage.environment);
      storage.#client = new S3Client({
        endpoint: inject('s3'),
        region: 'us-east-1',
        credentials: CREDENTIALS,
        forcePathStyle: true,
      });
      await storage.makeBucket(bucket);
    });
    afterAll(async () => {
      storage.#client?.destroy();
      await storage.#proxy?.[Symbol.asyncDispose]();
    });
    return storage;
  }

  get proxy(): FaultProxy {
    return this.#proxy!;
  }

  /** Environment variables that point a process to the storage. */
  get environment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_S3: this.proxy.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      LOSSMETER_S3_PATH_STYLE: 'true',
    };
  }

  async makeBucket(bucket: string): Promise<void> {
    await this.#client!.send(new CreateBucketCommand({ Bucket: bucket }));
  }

  /** Stores an object, bypassing the proxy. @returns its name */
  async put(key: string, body: Uint8Array, bucket = this.bucket): Promise<string> {
    await this.#client!.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    return `s3://${bucket}/${key}`;
  }
}
