import type { IotMessage } from '../../../src/cloud/handlers/inbox-notifier';

/** Device shadows as far as a device reads them: `get`, and the difference that an update makes. */
export class Shadows {
  readonly #desired = new Map<string, object>();

  /** The cloud writes. @param name absent: the classic shadow */
  async update(
    thing: string,
    desired: object,
    publish: (message: IotMessage) => Promise<unknown>,
    name?: string,
  ): Promise<void> {
    const base = baseOf(thing, name);
    this.#desired.set(base, { ...this.#desired.get(base), ...desired });
    const delta = { version: 1, timestamp: Math.floor(Date.now() / 1000), state: desired };
    await publish({ topic: `${base}/update/delta`, qos: 1, payload: JSON.stringify(delta) });
  }

  /** A device has published. */
  take(topic: string, publish: (message: IotMessage) => Promise<unknown>): void {
    const base = /^(\$aws\/things\/[^/]+\/shadow(?:\/name\/[^/]+)?)\/get$/.exec(topic)?.[1];
    if (base === undefined) return;
    const desired = this.#desired.get(base);
    const [word, body] =
      desired === undefined
        ? ['rejected', { code: 404, message: 'No shadow exists with this name' }]
        : ['accepted', { state: { desired, delta: desired }, version: 1 }];
    setImmediate(() => void publish({ topic: `${base}/get/${word}`, qos: 1, payload: JSON.stringify(body) }));
  }
}

const baseOf = (thing: string, name: string | undefined): string =>
  `$aws/things/${thing}/shadow${name === undefined ? '' : `/name/${name}`}`;
