import { findDifference } from './find-difference';

const files = [
  { name: 'a', size: 1, crc32: 10 },
  { name: 'b', size: 2, crc32: 20 },
];
const object = (key: string, size: number, crc32: number) => [key, { size, crc32, etag: '' }] as const;

describe('what arrived against what was sent', () => {
  it.each([
    { why: 'nothing', objects: [object('p/a', 1, 10), object('p/b', 2, 20)], difference: undefined },
    { why: 'a missing object', objects: [object('p/a', 1, 10)], difference: 'p/b did not arrive' },
    { why: 'another prefix', objects: [object('a', 1, 10), object('b', 2, 20)], difference: 'p/a did not arrive' },
    { why: 'another size', objects: [object('p/a', 1, 10), object('p/b', 3, 20)], difference: '3 bytes instead of 2' },
    { why: 'other bytes', objects: [object('p/a', 1, 11), object('p/b', 2, 20)], difference: 'other bytes' },
    {
      why: 'one too many',
      objects: [object('p/a', 1, 10), object('p/b', 2, 20), object('p/c', 0, 0)],
      difference: '1 objects nobody asked for',
    },
  ])('finds $why', ({ objects, difference }) => {
    const found = findDifference(files, 'p/', { objects, refused: [] });
    if (difference === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(difference);
  });

  it('does not look over a refused request', () => {
    const objects = [object('p/a', 1, 10), object('p/b', 2, 20)];
    expect(findDifference(files, 'p/', { objects, refused: ['PUT /x: 400'] })).toContain('PUT /x: 400');
  });
});
