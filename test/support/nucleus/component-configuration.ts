import { isDeepStrictEqual } from 'node:util';
import { IpcError } from './ipc-error';
import type { IpcStream } from './ipc-stream';
import type { IpcOperation } from './nucleus-ipc';
import type { NucleusSwitches } from './switches';

export type Configuration = Record<string, unknown>;

interface Subscriber {
  readonly stream: IpcStream;
  readonly keyPath: readonly string[];
}

/** The component's configuration as the nucleus keeps it, and the operations that read, change and watch it. */
export class ComponentConfiguration {
  readonly operations: Readonly<Record<string, IpcOperation>> = {
    GetConfiguration: { answer: (body) => this.#get(body) },
    SubscribeToConfigurationUpdate: {
      hasEvents: true,
      answer: (body, stream) => this.#subscribe(body, stream),
    },
    UpdateConfiguration: { answer: (body) => this.#update(body) },
  };
  readonly #subscribers = new Set<Subscriber>();
  #values: Configuration;
  #changedAtMs = 0;

  constructor(
    private readonly componentName: string,
    private readonly defaults: Configuration,
    private readonly switches: NucleusSwitches,
  ) {
    this.#values = structuredClone(defaults);
  }

  get values(): Configuration {
    return structuredClone(this.#values);
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** What a deployment would make of it: merged, key by key; lists and scalars as a whole. */
  proposed(changes: Configuration, fromDefaults = false): Configuration {
    return merged(fromDefaults ? this.defaults : this.#values, changes) as Configuration;
  }

  /** Takes the values and tells the subscribers of each changed key. @returns whether any changed */
  replace(values: Configuration, changedAtMs = Date.now()): boolean {
    const changed = changedPaths(this.#values, values);
    this.#values = structuredClone(values);
    this.#changedAtMs = Math.max(this.#changedAtMs, changedAtMs);
    for (const keyPath of changed) {
      for (const subscriber of this.#subscribers) {
        if (!subscriber.keyPath.every((key, at) => keyPath[at] === key)) continue;
        subscriber.stream.send('ConfigurationUpdateEvents', {
          configurationUpdateEvent: { componentName: this.componentName, keyPath },
        });
      }
    }
    return changed.length > 0;
  }

  #get({ componentName = this.componentName, keyPath }: Record<string, unknown>): object {
    const path = pathOf(keyPath);
    const found = this.#find(componentName, path);
    const value = this.switches.stringScalars ? withStrings(found) : found;
    return { componentName, value: isMap(value) ? value : { [path.at(-1)!]: value } };
  }

  #subscribe({ componentName = this.componentName, keyPath }: Record<string, unknown>, stream: IpcStream): object {
    const path = pathOf(keyPath);
    this.#find(componentName, path);
    const subscriber = { stream, keyPath: path };
    this.#subscribers.add(subscriber);
    stream.onEnded(() => this.#subscribers.delete(subscriber));
    return {};
  }

  #update({ keyPath, valueToMerge, timestamp }: Record<string, unknown>): object {
    if (typeof timestamp !== 'number') throw new IpcError('InvalidArgumentsError', 'Timestamp is required');
    if (valueToMerge === undefined) throw new IpcError('InvalidArgumentsError', 'ValueToMerge is required');
    const path = pathOf(keyPath);
    const changes = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), valueToMerge) as Configuration;
    if ('accessControl' in changes) {
      throw new IpcError('InvalidArgumentsError', 'Config update is not allowed for following fields [accessControl]');
    }
    // The wire has seconds.
    const changedAtMs = timestamp * 1000;
    if (changedAtMs < this.#changedAtMs) {
      throw new IpcError(
        'FailedUpdateConditionCheckError',
        "Proposed timestamp is older than the config's latest modified timestamp",
      );
    }
    this.replace(this.proposed(changes), changedAtMs);
    return {};
  }

  #find(componentName: unknown, path: readonly string[]): unknown {
    let found: unknown = componentName === this.componentName ? this.#values : undefined;
    for (const key of path) found = isMap(found) && Object.hasOwn(found, key) ? found[key] : undefined;
    if (found === undefined) {
      throw new IpcError(
        'ResourceNotFoundError',
        this.switches.kind === 'classic' ? 'Key not found' : 'Key not found.',
      );
    }
    return found;
  }
}

const isMap = (value: unknown): value is Configuration =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const pathOf = (keyPath: unknown): string[] => (Array.isArray(keyPath) ? keyPath.map(String) : []);

function merged(base: unknown, changes: unknown): unknown {
  if (!isMap(changes)) return structuredClone(changes);
  const result: Configuration = isMap(base) ? structuredClone(base) : {};
  for (const [key, value] of Object.entries(changes)) result[key] = merged(result[key], value);
  return result;
}

/** The paths of the leaves that are new or different, and of what is gone, with all below it. */
function changedPaths(before: unknown, after: unknown, path: readonly string[] = []): string[][] {
  if (isDeepStrictEqual(before, after)) return [];
  const [old, fresh] = [isMap(before) ? before : {}, isMap(after) ? after : {}];
  const keys = [...new Set([...Object.keys(fresh), ...Object.keys(old)])];
  if (keys.length === 0 || !isMap(after)) return [[...path]];
  return keys.flatMap((key) => changedPaths(old[key], fresh[key], [...path, key]));
}

function withStrings(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withStrings);
  if (!isMap(value)) return String(value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withStrings(inner)]));
}
