import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ContractRun } from './contract-run';
import { makeBody } from './make-body';
import { attributesOf, type CodeOtherwise, NEVER, StoreRun, sha256 } from './store-run';

const MIB = 1024 * 1024;
const SIZES = [0, 1, 65_536, 65_537, 3 * MIB];
const PARTS = [randomBytes(5 * MIB), randomBytes(MIB + 7)] as const;

/** What is sent is what is kept, in each form a request can take, and damage on the way is seen. */
export function describeStoreTransfer(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());

  describe.each([
    { integrity: 'crc32', payload: 'unsigned', shape: 'buffer' },
    { integrity: 'crc32', payload: 'unsigned', shape: 'streamed' },
    { integrity: 'crc32', payload: 'signed', shape: 'buffer' },
    { integrity: 'crc32', payload: 'signed', shape: 'streamed' },
    { integrity: 'md5', payload: 'unsigned', shape: 'buffer' },
    { integrity: 'md5', payload: 'signed', shape: 'streamed' },
  ] as const)('$integrity, $payload payload, $shape', ({ integrity, payload, shape }) => {
    const folder = `${integrity}-${payload}-${shape}`;
    const make = () => s.store({ integrity, payload });

    test('says which digests it needs', () => {
      expect(make().digestNeeds).toEqual({ md5: integrity === 'md5', sha256: payload === 'signed' });
    });

    test.each(SIZES)('a single PUT of %d bytes', async (size) => {
      const bytes = randomBytes(size);
      const store = make();
      await s.put(store, `${folder}/${size}`, bytes, shape);
      expect(await s.sha256Of(`${folder}/${size}`)).toBe(sha256(bytes));
      const keeps = integrity === 'crc32' && !run.deviates('checksums-forgotten');
      const found = await store.findObject(`${folder}/${size}`, NEVER);
      expect(found).toMatchObject({ size, uploadId: 'ledger.1' });
      // S3 proper adds a checksum of its own choice where it is given none; a CRC32 it tells must be right.
      if (keeps || found?.crc32 !== undefined) expect(found?.crc32).toBe(crc32(bytes));
    });

    test('a multipart upload', async () => {
      const store = make();
      const key = `${folder}/parts`;
      const { upload, parts, whole } = await s.begin(store, key, PARTS, shape);
      const listed = await store.listParts(upload, NEVER);
      expect(listed).toMatchObject(parts.map(({ number, sizeBytes, etag }) => ({ number, size: sizeBytes, etag })));
      const told = integrity === 'crc32' && !run.deviates('checksums-forgotten');
      expect(listed.map((part) => part.crc32)).toEqual(parts.map((part) => (told ? part.crc32 : undefined)));
      await store.completeMultipart(upload, parts, whole, false, NEVER);
      expect(await s.sha256Of(key)).toBe(sha256(Buffer.concat(PARTS)));
      const keeps = integrity === 'crc32' && !run.deviates('whole-checksums-forgotten');
      const found = await store.findObject(key, NEVER);
      expect(found).toMatchObject({ size: whole.sizeBytes, uploadId: 'ledger.1' });
      expect(found?.crc32).toBe(keeps ? whole.crc32 : undefined);
    });

    // The first digest that is verified tells of the damage.
    const unseen: CodeOtherwise =
      payload === 'signed'
        ? { 'payload-hash-unverified': 'accepted' }
        : integrity === 'md5'
          ? { 'md5-unverified': 'accepted' }
          : { 'checksums-unverified': 'accepted' };

    test('bytes that are damaged on the way are refused', async () => {
      const store = make();
      const [sent, meant] = [randomBytes(70_000), randomBytes(70_000)];
      const damaged = makeBody(sent, store.digestNeeds, shape, meant);
      const put = store.putObject(attributesOf(`${folder}/damaged`), damaged, false, NEVER);
      await s.expectCode(put, 'S3_DAMAGED_IN_TRANSIT', unseen);
      const { upload } = await s.begin(store, `${folder}/damaged-part`, []);
      const part = { number: 1, offset: 0, sizeBytes: sent.length };
      await s.expectCode(store.uploadPart(upload, part, damaged, NEVER), 'S3_DAMAGED_IN_TRANSIT', unseen);
    });
  });
}

/** Over plain http everything is signed. */
export function describeStorePlain(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());

  test.each(['buffer', 'streamed'] as const)('plain http, signed payload, %s', async (shape) => {
    const { plainEndpoint } = run.engine;
    if (plainEndpoint === undefined) throw new Error(`${run.kind.name} has no plain endpoint`);
    const store = s.store({ endpoint: plainEndpoint, payload: 'signed' });
    const bytes = randomBytes(200_000);
    await s.put(store, `plain/${shape}`, bytes, shape);
    expect(await s.sha256Of(`plain/${shape}`)).toBe(sha256(bytes));
    const { upload, parts, whole } = await s.begin(store, `plain/${shape}/parts`, PARTS, shape);
    await store.completeMultipart(upload, parts, whole, false, NEVER);
    expect(await s.sha256Of(`plain/${shape}/parts`)).toBe(sha256(Buffer.concat(PARTS)));
  });
}
