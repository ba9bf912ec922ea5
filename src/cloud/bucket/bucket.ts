import type { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isDenied } from '../account/explain-aws-error';
import { CloudError } from '../cloud-error';

/** One bucket, that has to be its account's own; its refusals come as sentences. */
export class Bucket {
  constructor(
    readonly s3: S3Client,
    readonly name: string,
    /** Account id; undefined: whoever's it is. */
    readonly owner: string | undefined,
  ) {}

  /** What each request names. */
  get at(): { readonly Bucket: string; readonly ExpectedBucketOwner?: string } {
    return { Bucket: this.name, ...(this.owner === undefined ? {} : { ExpectedBucketOwner: this.owner }) };
  }

  /**
   * @param action as IAM spells it, which S3 does not always say
   * @throws CloudError when the bucket is not there, another account's, elsewhere, or the right is missing
   */
  async ask<T>(action: string, key: string | undefined, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw await this.#explain(action, key, error);
    }
  }

  /** @returns undefined when there is none @throws CloudError as `ask` */
  head(key: string): Promise<HeadObjectCommandOutput | undefined> {
    return this.ask('s3:GetObject and s3:ListBucket', key, async () => {
      try {
        return await this.s3.send(new HeadObjectCommand({ ...this.at, Key: key }));
      } catch (error) {
        // HEAD has no body: not said is whether the object is missing or the bucket, nor what 400 means (ended credentials).
        if ((error as Error).name === 'NotFound') return undefined;
        if (statusOf(error) === 400) await this.#sayWhy(key);
        throw error;
      }
    });
  }

  /** @throws what GET says, where it refuses too */
  async #sayWhy(Key: string): Promise<void> {
    const { Body } = await this.s3.send(new GetObjectCommand({ ...this.at, Key, Range: 'bytes=0-0' }));
    (Body as Readable | undefined)?.destroy();
  }

  async #explain(action: string, key: string | undefined, error: unknown): Promise<unknown> {
    const { name } = error as Error;
    if (name === 'NoSuchBucket')
      return new CloudError(`there is no bucket ${this.name}; see aws s3 ls, --stack and --profile`);
    if (statusOf(error) === 301 || name === 'AuthorizationHeaderMalformed')
      return new CloudError(
        `the bucket ${this.name} is not in ${await this.s3.config.region()}; name its region by --region, and in s3.region of its devices`,
      );
    if (!isDenied(error)) return error;
    if (this.owner !== undefined && !(await this.#answers(this.owner)) && (await this.#answers(undefined)))
      return new CloudError(
        `the bucket ${this.name} belongs to another account than ${this.owner}; nothing was done with it: see --stack and --profile, or who has made that bucket`,
      );
    const resource = key === undefined ? this.name : `${this.name}/${key}`;
    return new CloudError(
      `S3 does not allow ${action} on ${resource}; have it allowed (README, "Files to things"), or take another --profile`,
      { cause: error },
    );
  }

  async #answers(ExpectedBucketOwner: string | undefined): Promise<boolean> {
    try {
      await this.s3.send(
        new HeadBucketCommand({
          Bucket: this.name,
          ...(ExpectedBucketOwner === undefined ? {} : { ExpectedBucketOwner }),
        }),
      );
      return true;
    } catch {
      return false;
    }
  }
}

const statusOf = (error: unknown): number | undefined =>
  (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode;
