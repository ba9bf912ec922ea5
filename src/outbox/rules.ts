import picomatch from 'picomatch';
import type { OutboxConfig } from '../config/schema';
import { printableName } from '../domain/printable-name';

/** How one file is treated. */
export interface Treatment {
  readonly settleMs: number;
  /** A file `<name><marker>` beside it says that it is whole. */
  readonly marker: string | undefined;
  readonly claim: 'move' | 'leave';
  /** `undefined`: nobody said; a claimed file goes, one sent in place stays. */
  readonly afterUpload: 'delete' | 'keep' | undefined;
}

interface Rule extends Treatment {
  readonly fits: (path: string) => boolean;
}

/** Names that programs give to what they are not done with. */
const ALWAYS_IGNORED: readonly string[] = ['.*', '*.tmp', '*.part'];

/** The outbox's patterns, compiled. A pattern without a slash is about names, one with a slash about paths. */
export class OutboxRules {
  readonly #usual: Treatment;
  readonly #rules: readonly Rule[];
  readonly #isIgnored: (path: string) => boolean;
  readonly #hasMarkers: boolean;

  /** @param minSettleMs what the file system asks for */
  constructor(config: OutboxConfig, minSettleMs: number) {
    const settleMs = (seconds: number): number =>
      seconds === 0 && minSettleMs === 0 ? 0 : Math.max(seconds * 1000, minSettleMs);
    this.#usual = {
      settleMs: settleMs(config.settleSeconds),
      marker: undefined,
      claim: config.claim,
      afterUpload: config.afterUpload,
    };
    this.#rules = config.rules.map((rule) => ({
      fits: matcher([rule.match]),
      settleMs: rule.settleSeconds === undefined ? this.#usual.settleMs : settleMs(rule.settleSeconds),
      marker: rule.marker,
      claim: rule.claim ?? config.claim,
      afterUpload: rule.afterUpload ?? config.afterUpload,
    }));
    this.#hasMarkers = this.#rules.some(({ marker }) => marker !== undefined);
    this.#isIgnored = matcher([...ALWAYS_IGNORED, ...config.ignore]);
  }

  isIgnored(path: Buffer): boolean {
    return this.#isIgnored(printableName(path));
  }

  /** The first rule that fits decides. */
  treatmentOf(path: Buffer): Treatment {
    if (this.#rules.length === 0) return this.#usual;
    const name = printableName(path);
    return this.#rules.find(({ fits }) => fits(name)) ?? this.#usual;
  }

  /** Whether it says of another file that it is whole, and is none to be sent. */
  isMarker(path: Buffer): boolean {
    if (!this.#hasMarkers) return false;
    const name = printableName(path);
    return this.#rules.some(({ marker }) => {
      if (marker === undefined || !name.endsWith(marker)) return false;
      const marked = name.slice(0, -marker.length);
      return this.#rules.find(({ fits }) => fits(marked))?.marker === marker;
    });
  }
}

/** Asked for every file of every look: all patterns are one expression of names, and one of paths. */
function matcher(patterns: readonly string[]): (path: string) => boolean {
  const literal = new Set(patterns); // a name with brackets is itself as well
  const names = anyOf(patterns.filter((pattern) => !pattern.includes('/')));
  const paths = anyOf(patterns.filter((pattern) => pattern.includes('/')));
  return (path) =>
    names?.test(path.slice(path.lastIndexOf('/') + 1)) === true || paths?.test(path) === true || literal.has(path);
}

const anyOf = (patterns: readonly string[]): RegExp | undefined =>
  patterns.length === 0
    ? undefined
    : new RegExp(patterns.map((pattern) => `(?:${picomatch.makeRe(pattern, { dot: true }).source})`).join('|'));
