import type { NucleusKind } from './switches';

/** The recipe's `accessControl`: by service, then by policy id. */
export type AccessControlDocument = Readonly<
  Record<string, Readonly<Record<string, { operations: readonly string[]; resources: readonly string[] }>>>
>;

export const PUB_SUB = 'aws.greengrass.ipc.pubsub';
export const MQTT_PROXY = 'aws.greengrass.ipc.mqttproxy';

/** What the recipe lets the component do over IPC. Without a document everything. */
export class AccessControl {
  constructor(
    private readonly document: AccessControlDocument | undefined,
    private readonly kind: NucleusKind,
  ) {}

  allows(service: string, operation: string, resource: string): boolean {
    if (this.document === undefined) return true;
    return Object.values(this.document[service] ?? {}).some(
      ({ operations, resources }) =>
        operations.some((one) => one === '*' || one === `aws.greengrass#${operation}`) &&
        resources.some((pattern) => this.#fits(resource, pattern, service === MQTT_PROXY)),
    );
  }

  #fits(resource: string, pattern: string, isMqtt: boolean): boolean {
    if (globOf(pattern).test(resource)) return true;
    if (!isMqtt || !/[+#]/.test(pattern)) return false;
    // Lite reads a pattern either way, never both in one.
    if (this.kind === 'lite' && pattern.includes('*')) return false;
    return topicPatternOf(pattern).test(resource);
  }
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

/** `*` is anything; `${c}` is the character itself. */
function globOf(pattern: string): RegExp {
  const source = pattern.replace(/\$\{(.)\}|(\*)|([\s\S])/g, (_all, literal?: string, star?: string, other?: string) =>
    star === undefined ? escaped(literal ?? other ?? '') : '.*',
  );
  return new RegExp(`^${source}$`, 's');
}

function topicPatternOf(pattern: string): RegExp {
  const levels = pattern.split('/').map((level, at, all) => {
    if (level === '#' && at === all.length - 1) return '.*';
    return level === '+' ? '[^/]*' : level.split('*').map(escaped).join('.*');
  });
  // `a/#` is also `a`.
  const source = levels.join('\\/').replace(/\\\/\.\*$/, '(?:\\/.*)?');
  return new RegExp(`^${source}$`, 's');
}
