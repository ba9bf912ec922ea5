import { KeyTemplate, renamedKey } from '../../src/domain/key-template';

const subject = { path: 'logs/day 1/a.tar.gz', mtimeMs: Date.UTC(2026, 0, 2, 3, 4, 5), id: 42 };
const thing = { thing: 'device00', thingType: 'camera' };

describe('a key template', () => {
  it.each([
    ['{thing}/outbox/{path}', 'device00/outbox/logs/day 1/a.tar.gz', 'device00/outbox/'],
    ['{thingType}/{yyyy}/{MM}/{dd}/{HH}/{name}', 'camera/2026/01/02/03/a.tar.gz', 'camera/'],
    ['x-{id}.{ext}', 'x-42.gz', ''],
    ['{path}', 'logs/day 1/a.tar.gz', ''],
    ['a/b{thing}c/{path}', 'a/bdevice00c/logs/day 1/a.tar.gz', 'a/bdevice00c/'],
  ])('%s gives %s below %p', (text, key, prefix) => {
    const template = new KeyTemplate(text, thing);
    expect(template.keyFor(subject)).toBe(key);
    expect(template.prefix).toBe(prefix);
  });

  it.each([
    ['{thing}/{pth}', /no placeholder \{pth\}/],
    ['{certificateId}/{path}', /\{certificateId\} is not known; set thing.certificateFile/],
    ['{thing}/fixed', /many files would get the same key; add \{path\}/],
    ['{yyyy}/{MM}', /many files would get the same key/],
    ['{thing/{path}', /a brace without its partner/],
  ])('%s is refused', (text, message) => {
    expect(() => new KeyTemplate(text, thing)).toThrow(message);
  });

  it('makes no key beyond 1,024 bytes of UTF-8', () => {
    const template = new KeyTemplate('{path}', {});
    expect(template.keyFor({ ...subject, path: 'ü'.repeat(512) })).toHaveLength(512);
    expect(() => template.keyFor({ ...subject, path: `${'ü'.repeat(512)}x` })).toThrow(
      /1025 bytes, S3 takes 1024; shorten/,
    );
  });

  it.each([
    ['a/b.txt', 1, 'a/b-20260102T030405Z.txt'],
    ['a/b.txt', 3, 'a/b-20260102T030405Z-3.txt'],
    ['a.d/b', 1, 'a.d/b-20260102T030405Z'],
    ['.hidden', 1, '.hidden-20260102T030405Z'],
  ])('moves %s, for the time %i, to %s', (key, tries, renamed) => {
    expect(renamedKey(key, subject.mtimeMs, tries)).toBe(renamed);
  });
});
