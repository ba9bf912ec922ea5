import { execFileSync } from 'node:child_process';
import { explainFolder, explainRefusal, explainUnmoved } from '../../src/outbox/explain-outbox';

const failed = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });
const EMPTY = Buffer.alloc(0);

describe('what an operator reads of an outbox', () => {
  it.each([
    [
      'ENOENT',
      `the outbox /data/o does not exist; create it: mkdir -p '/data/o' && chown ${process.geteuid!()} '/data/o'`,
    ],
    ['ENOTDIR', 'the outbox /data/o is not a folder; correct outboxes[].path'],
    [
      'EACCES',
      `the folder /data/o cannot be read; let the daemon's user in: setfacl -m u:${process.geteuid!()}:rwx '/data/o'`,
    ],
    ['EIO', '/data/o cannot be read (EIO); check the disk it lies on'],
  ])('when a folder cannot be read: %s', (code, sentence) => {
    expect(explainFolder('/data/o', EMPTY, failed(code))).toBe(sentence);
  });

  it.each([
    ['read', 'EACCES', /cannot be read, and stays where it is; .*setfacl -m u:\d+:r '\/data\/o\/a'$/],
    ['read', 'EIO', /cannot be read \(EIO\), and stays where it is; check the disk/],
    ['move', 'ENOSPC', /cannot be claimed \(ENOSPC\), and stays where it is; free some space/],
    ['move', 'EMFILE', /cannot be claimed \(EMFILE\), and stays where it is; check/],
    ['sync', 'EIO', /was claimed, but its disk did not confirm it \(EIO\); check the disk/],
  ] as const)('when a file is refused: %s %s', (step, code, sentence) => {
    expect(explainRefusal('/data/o', Buffer.from('a'), { step, code })).toMatch(sentence);
  });

  it('when files are not moved', () => {
    expect(explainUnmoved('/data/o', false)).toMatch(
      /may not write there; let it: setfacl -m u:\d+:rwx '\/data\/o', and start/,
    );
    expect(explainUnmoved('/data/o', true)).toMatch(/no folder .* takes them by rename; put the outbox on one disk/);
  });

  it('can be pasted, whatever the name', () => {
    const name = "it's; touch /tmp/x; 'a";
    const sentence = explainRefusal('/data/o', Buffer.from(name), { step: 'read', code: 'EACCES' });
    const command = sentence.slice(sentence.indexOf('setfacl')).replace(/^setfacl -m u:\d+:r/, "printf '%s'");
    expect(execFileSync('sh', ['-c', command], { encoding: 'utf8' })).toBe(`/data/o/${name}`);
  });
});
