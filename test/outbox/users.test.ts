import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STRANGER } from '../support/as-user';
import { Courier } from '../support/courier';
import { itWhere, missingForUsers } from '../support/needs';
import { until } from '../support/until';

/** The courier runs as a user of its own; producers are others. */
describe('among several users', () => {
  let courier: Courier;
  const OTHER = 1;

  /** From here on this process has the courier's rights. */
  async function createCourier(options: object = {}): Promise<Courier> {
    const created = (await Courier.create()).claims(options);
    execFileSync('chown', ['-R', `${STRANGER}:${STRANGER}`, created.dir]);
    return created;
  }
  const become = (uid: number): void => {
    process.seteuid!(0);
    process.setegid!(uid);
    process.seteuid!(uid);
  };
  const byOther = (path: string, mode: number): string => {
    const file = courier.drop(path, path);
    chownSync(file, OTHER, OTHER);
    chmodSync(file, mode);
    return file;
  };
  const outbox = () => courier.component.status().outboxes[0]!;

  afterEach(async () => {
    become(0);
    await courier.end();
  });

  itWhere(
    missingForUsers(),
    'a file that cannot be read stays, is told with what to do, and goes when that is done',
    async () => {
      courier = await createCourier();
      chmodSync(courier.outbox, 0o777);
      const file = byOther('theirs', 0o600);
      byOther('ours', 0o644);
      become(STRANGER);
      await courier.start();
      await courier.delivered(1);
      await until('it is told', () => outbox().problems.length === 1, outbox);
      expect(outbox().problems[0]).toBe(
        `the file ${file} cannot be read, and stays where it is; let the daemon's user read it: setfacl -m u:${STRANGER}:r '${file}'`,
      );
      expect(readdirSync(courier.outbox)).toEqual(['theirs']);
      expect(courier.logs.filter(({ level }) => level === 'error')).toHaveLength(1);
      become(0);
      chmodSync(file, 0o644);
      become(STRANGER);
      await courier.delivered(2);
      expect(outbox().problems).toEqual([]);
    },
  );

  itWhere(
    missingForUsers(),
    'files of a sticky folder, and of one that belongs to others, are sent from where they lie',
    async () => {
      courier = await createCourier();
      chmodSync(courier.outbox, 0o1777);
      chownSync(courier.outbox, 0, 0);
      const sticky = byOther('sticky', 0o644);
      const deep = byOther('foreign/deep', 0o644);
      chownSync(join(courier.outbox, 'foreign'), OTHER, OTHER);
      chmodSync(join(courier.outbox, 'foreign'), 0o755);
      become(STRANGER);
      writeFileSync(join(courier.outbox, 'mine'), 'mine');
      await courier.start();
      await courier.delivered(3);
      await until('what may go is gone', () => outbox().sent === 0);
      expect([sticky, deep].map((file) => existsSync(file))).toEqual([true, true]);
      expect(existsSync(join(courier.outbox, 'mine'))).toBe(false);
      await courier.stop();
      await courier.start();
      await until('a look', () => outbox().lastScanAtMs !== undefined);
      expect(courier.component.status().uploads).toMatchObject({ done: 3, queued: 0 });
      become(0);
      writeFileSync(sticky, 'another version');
      become(STRANGER);
      await courier.delivered(4);
    },
  );

  itWhere(
    missingForUsers(),
    'an outbox that may be read and not written is sent from, and told with what to do',
    async () => {
      courier = await createCourier();
      byOther('theirs', 0o644);
      chownSync(courier.outbox, OTHER, OTHER);
      become(STRANGER);
      await courier.start();
      await courier.delivered(1);
      expect(outbox().problems).toEqual([
        `files of ${courier.outbox} are sent from where they lie, and not removed: the daemon's user may not write there; let it: setfacl -m u:${STRANGER}:rwx '${courier.outbox}', and start it again`,
      ]);
    },
  );

  itWhere(missingForUsers(), 'a rule that deletes what it may not delete says so, and sends it once', async () => {
    courier = await createCourier({ claim: 'leave', afterUpload: 'delete' });
    const file = byOther('theirs', 0o644);
    chownSync(courier.outbox, OTHER, OTHER);
    become(STRANGER);
    await courier.start();
    await courier.delivered(1);
    await courier.logged('a delivered file could not be removed; check the rights of its folder and its disk');
    expect(existsSync(file)).toBe(true);
    expect(courier.component.status().uploads.done).toBe(1);
  });

  itWhere(missingForUsers(), 'a folder that cannot be read is told, and the others go on', async () => {
    courier = await createCourier();
    mkdirSync(join(courier.outbox, 'closed'), { mode: 0o700 });
    byOther('closed/file', 0o644);
    chownSync(join(courier.outbox, 'closed'), OTHER, OTHER);
    become(STRANGER);
    courier.drop('open', 'x');
    await courier.start();
    await courier.delivered(1);
    await until('it is told', () => outbox().problems.length === 1, outbox);
    expect(outbox().problems[0]).toMatch(
      /the folder .*closed cannot be read; let the daemon's user in: setfacl -m u:65534:rwx/,
    );
  });

  itWhere(
    missingForUsers(),
    'an outbox that cannot be entered is told, and does not keep another from its work',
    async () => {
      courier = await createCourier();
      const other = join(courier.dir, 'other');
      mkdirSync(other, { mode: 0o700 });
      courier.sections.outboxes = [
        ...(courier.sections.outboxes as object[]),
        { path: other, key: '{thing}/other/{path}', rescanSeconds: 0.1, settleSeconds: 0 },
      ];
      become(STRANGER);
      courier.drop('file', 'x');
      await courier.start();
      await courier.delivered(1);
      await until('it is told', () => courier.component.status().outboxes[1]!.problems.length === 1);
      become(0);
      chownSync(other, STRANGER, STRANGER);
      writeFileSync(join(other, 'file'), 'y');
      chownSync(join(other, 'file'), STRANGER, STRANGER);
      become(STRANGER);
      await courier.delivered(2);
    },
  );
});
