import { OutboxRules } from '../../src/outbox/rules';
import { outboxConfig } from '../support/outbox-config';

const rulesFor = (options: object, minSettleMs = 0): OutboxRules => new OutboxRules(outboxConfig(options), minSettleMs);
const name = (text: string): Buffer => Buffer.from(text);

describe('the rules of an outbox', () => {
  it.each(['.hidden', '..odd', '.git', 'deep/.hidden', 'x.tmp', 'a b.part', 'deep/x.tmp', '.courier'])(
    'leave %s alone, always',
    (path) => {
      expect(rulesFor({}).isIgnored(name(path))).toBe(true);
    },
  );

  it.each(['a', 'a.tmp.txt', 'tmp', 'part', 'a.TMP', '~a', 'ä.csv', 'a\\b', 'a\nb.csv'])('let %j through', (path) => {
    expect(rulesFor({}).isIgnored(name(path))).toBe(false);
  });

  it('take a pattern without a slash for a name, one with a slash for a path', () => {
    const rules = rulesFor({ ignore: ['*.bak', 'cache/**', '/top.txt', 'node_modules'] });
    const ignored = ['a.bak', 'deep/a.bak', 'cache/x', 'cache/x/y', 'node_modules', 'deep/node_modules'];
    expect(ignored.filter((path) => !rules.isIgnored(name(path)))).toEqual([]);
    const let_ = ['a.bak.txt', 'deep/cache/x', 'a'];
    expect(let_.filter((path) => rules.isIgnored(name(path)))).toEqual([]);
  });

  it('let the first rule that fits decide, and the outbox where none does', () => {
    const rules = rulesFor({
      settleSeconds: 7,
      rules: [
        { match: 'ring/**', claim: 'leave', afterUpload: 'delete' },
        { match: '*.jpg', settleSeconds: 1 },
      ],
    });
    expect(rules.treatmentOf(name('ring/a.jpg'))).toMatchObject({
      claim: 'leave',
      afterUpload: 'delete',
      settleMs: 7_000,
    });
    expect(rules.treatmentOf(name('a.jpg'))).toMatchObject({ claim: 'move', afterUpload: undefined, settleMs: 1_000 });
    expect(rules.treatmentOf(name('a.txt'))).toMatchObject({ claim: 'move', marker: undefined, settleMs: 7_000 });
  });

  it('settle no file sooner than its file system asks for', () => {
    const rules = rulesFor(
      {
        settleSeconds: 0,
        rules: [
          { match: 'a', settleSeconds: 90 },
          { match: 'b', settleSeconds: 1 },
        ],
      },
      60_000,
    );
    expect(['a', 'b', 'c'].map((path) => rules.treatmentOf(name(path)).settleMs)).toEqual([90_000, 60_000, 60_000]);
    expect(rulesFor({ settleSeconds: 0 }).treatmentOf(name('a')).settleMs).toBe(0);
  });

  it('know the marker of a file from a file to be sent', () => {
    const rules = rulesFor({ rules: [{ match: '*.csv', marker: '.ready' }] });
    expect(rules.treatmentOf(name('deep/a.csv')).marker).toBe('.ready');
    expect(rules.isMarker(name('deep/a.csv.ready'))).toBe(true);
    expect(rules.isMarker(name('a.txt.ready'))).toBe(false);
    expect(rules.isMarker(name('a.csv'))).toBe(false);
    expect(rules.isMarker(name('.ready'))).toBe(false);
  });

  it('take nothing for the marker of a file that waits for none: it would never be sent', () => {
    const rules = rulesFor({
      rules: [
        { match: '*.csv', claim: 'leave' },
        { match: '*', marker: '.ready' },
      ],
    });
    expect(rules.treatmentOf(name('a.csv')).marker).toBeUndefined();
    expect(rules.isMarker(name('a.csv.ready'))).toBe(false);
    expect(rules.isMarker(name('a.txt.ready'))).toBe(true);
  });
});
