import { choosePackages } from '../../src/build/choose-packages';
import type { NativeParts } from '../../src/build/native-parts';

const x64: NativeParts = {
  platform: 'linux-x64',
  files: new Map(),
  nodeMajors: [20, 22, 24],
  glibc: '2.34',
  leftOut: [],
};
const partly: NativeParts = { ...x64, platform: 'linux-arm64', nodeMajors: [20], leftOut: ['arm64: no part for 22'] };
const none: NativeParts = { ...partly, nodeMajors: [], leftOut: ['arm64: no part for 20'] };

describe('the packages of a build', () => {
  it('are for every platform with a part for some Node.js, and the rest is told', () => {
    expect(choosePackages([x64, partly], false)).toEqual({ packages: [x64, partly], leftOut: partly.leftOut });
    expect(choosePackages([x64, none], false)).toEqual({
      packages: [x64],
      leftOut: ['linux-arm64 altogether, package and manifest: nothing would run there', 'arm64: no part for 20'],
    });
  });

  it('are refused where all parts are required and some are missing', () => {
    expect(choosePackages([x64], true)).toEqual({ packages: [x64], leftOut: [] });
    expect(() => choosePackages([x64, partly], true)).toThrow('parts are missing:\narm64: no part for 22');
  });

  it('are refused where there is nothing to package', () => {
    expect(() => choosePackages([none], false)).toThrow('there is nothing to package:\narm64: no part for 20');
  });
});
