import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import type { Edge } from '../../src/component';
import type { PolicyDocument } from '../local-cloud/policy';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { adminS3 } from './admin-s3';
import { Courier } from './courier';
import { until } from './until';

/** A courier in this process whose inbox is on, and somebody who puts objects into the bucket. */
export class InboxSite {
  private constructor(
    readonly courier: Courier,
    private readonly s3: S3Client,
  ) {}

  static async create(
    options: { inbox?: object; policy?: PolicyDocument; edge?: Partial<Edge>; config?: Record<string, object> } = {},
  ): Promise<InboxSite> {
    const courier = await Courier.create({
      policy: options.policy ?? seedEPolicy(Courier.bucket),
      config: { outboxes: [], ...options.config },
      ...(options.edge === undefined ? {} : { edge: options.edge }),
    });
    courier.sections.inbox = { dir: join(courier.dir, 'inbox'), pollMinutes: 0, ...options.inbox };
    return new InboxSite(courier, adminS3(courier.cloud));
  }

  get folder(): string {
    return join(this.courier.dir, 'inbox');
  }

  async put(key: string, content: string | Uint8Array, more: Partial<PutObjectCommandInput> = {}): Promise<string> {
    const { ETag } = await this.s3.send(
      new PutObjectCommand({ Bucket: Courier.bucket, Key: key, Body: Buffer.from(content), ...more }),
    );
    return ETag!;
  }

  async remove(key: string): Promise<void> {
    await this.s3.send(new DeleteObjectCommand({ Bucket: Courier.bucket, Key: key }));
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  /** Nothing is asked for that has not ended. */
  async settled(looks = 1): Promise<void> {
    await until(
      'the inbox is settled',
      () => {
        const { inbox } = this.courier.component.status();
        return inbox?.lastLookAtMs !== undefined && inbox.open === 0 && looks > 0;
      },
      () => ({ status: this.courier.component.status(), logs: this.courier.logs.slice(-20) }),
    );
  }

  async end(): Promise<void> {
    this.s3.destroy();
    await this.courier.end();
  }
}
