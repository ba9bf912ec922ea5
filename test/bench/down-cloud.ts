import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { adminPolicy } from '../local-cloud/seed-policies';
import { BUCKET, REGION } from './bench-site';

interface Places {
  readonly s3Endpoint: string;
  readonly credentialsEndpoint: string;
  readonly caFile: string;
  readonly admin: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

const MAIN = join(__dirname, '../local-cloud/main.ts');
const AT_ONCE = 16;

/** The local cloud in a process of its own, for what comes down: it has to keep what it is given, copy and delete it. */
export class DownCloud {
  static readonly thing = 'bench';

  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: Interface,
    readonly places: Places,
    private readonly s3: S3Client,
  ) {}

  static async start(dir: string): Promise<DownCloud> {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', MAIN, '--dir', join(dir, 'cloud'), '--no-record', '--exit-with-stdin'],
      { cwd: join(__dirname, '../..'), stdio: ['pipe', 'pipe', 'ignore'] },
    );
    const lines = createInterface({ input: child.stdout! });
    const [line] = (await once(lines, 'line')) as [string];
    const places = JSON.parse(line) as Places;
    const agent = new Agent({ ca: readFileSync(places.caFile), keepAlive: true });
    const s3 = new S3Client({
      endpoint: places.s3Endpoint,
      region: REGION,
      forcePathStyle: true,
      credentials: places.admin,
      requestHandler: { httpsAgent: agent },
    });
    return new DownCloud(child, lines, places, s3);
  }

  /** @returns where its certificate and key lie */
  async createDevice(): Promise<{ readonly certificateFile: string; readonly privateKeyFile: string }> {
    await this.ask('createBucket', BUCKET);
    await this.ask('createRoleAlias', 'bench', { policy: adminPolicy() });
    return (await this.ask('createThing', DownCloud.thing)) as { certificateFile: string; privateKeyFile: string };
  }

  async fill(prefix: string, count: number, sizeBytes: number): Promise<void> {
    for (let i = 0; i < count; i += AT_ONCE)
      await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, j) =>
          this.s3.send(
            new PutObjectCommand({
              Bucket: BUCKET,
              Key: `${prefix}file-${i + j}.bin`,
              Body: Buffer.alloc(sizeBytes, `${i + j}.`),
            }),
          ),
        ),
      );
  }

  async count(prefix: string): Promise<number> {
    const objects = (await this.ask('objects', BUCKET)) as { readonly key: string }[];
    return objects.filter(({ key }) => key.startsWith(prefix)).length;
  }

  async stop(): Promise<void> {
    this.s3.destroy();
    const exit = once(this.child, 'exit');
    this.child.stdin!.end();
    await exit;
  }

  private async ask(name: string, ...args: unknown[]): Promise<unknown> {
    const answered = once(this.lines, 'line');
    this.child.stdin!.write(`${JSON.stringify({ do: name, args })}\n`);
    const answer = JSON.parse(((await answered) as [string])[0]) as { ok: boolean; value?: unknown; error?: string };
    if (!answer.ok) throw new Error(`the local cloud refuses ${name}: ${answer.error}`);
    return answer.value;
  }
}
