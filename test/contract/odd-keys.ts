import type { ContractRun } from './contract-run';

/** Keys that something on the way to S3 has been known to alter: escaping, signing, XML, path normalisation. */
export const ODD_KEYS: readonly string[] = [
  'plain.txt',
  'plus+percent%amp&hash#.txt',
  'with spaces  and\ttab.txt',
  'quotes\'and"parens(1)*!~=.txt',
  'already%20escaped%2Fslash.txt',
  'semi;colon:comma,at@dollar$question?.txt',
  '[brackets]{braces}|pipe^caret`tick\\back<less>.txt',
  'unicode/ä-é-ß/日本語/😀.txt',
  'decomposed/a\u0308.txt',
  'double//slash///deep.txt',
  '/leading-slash.txt',
  'trailing-slash/',
  'dots/.../..hidden/file.',
];

export const LONGEST_KEY = `${'long/'.repeat(204)}.txt`; // 1,024 bytes

const LINE_END = 'control/line\r\nfeed.txt';

/** These, and keys that XML cannot hold as they are. */
export const oddestKeys = (run: ContractRun): readonly string[] => [
  ...ODD_KEYS,
  'control/\u0001\u001f\u007f.txt',
  ...(run.deviates('line-end-in-key-is-a-crash') ? [] : [LINE_END]),
];
