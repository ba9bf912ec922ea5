import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ContractRun } from '../contract/contract-run';
import { readText } from '../contract/read-object';
import { Radosgw, radosgw } from './radosgw';

const describeInstalled = radosgw.findMissing() === undefined ? describe : describe.skip;

describeInstalled('radosgw', () => {
  test('keeps what it has answered for through SIGKILL of the gateway', async () => {
    let engine: Radosgw | undefined;
    const run = new ContractRun({ ...radosgw, start: async () => (engine = await Radosgw.start('bluestore')) });
    try {
      await run.start();
      const object = { Bucket: run.bucket, Key: 'kept' };
      await run.s3.send(new PutObjectCommand({ ...object, Body: Buffer.from('before') }));
      await engine?.kill9Gateway();
      await expect(run.s3.send(new GetObjectCommand(object))).rejects.toThrow();
      await engine?.startGateway();
      expect(await readText(run.s3.send(new GetObjectCommand(object)))).toBe('before');
    } finally {
      await run.stop();
    }
  });

  test('two at once do not meet', async () => {
    const both = await Promise.all([Radosgw.start(), Radosgw.start()]);
    try {
      await Promise.all(both.map((engine) => engine.createBucket('same-name')));
      expect(both[0].endpoint).not.toBe(both[1].endpoint);
    } finally {
      await Promise.all(both.map((engine) => engine.stop()));
    }
  });
});
