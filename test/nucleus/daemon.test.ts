import { cancelOn } from './cancel-on';
import { NucleusSite } from './nucleus-site';
import { rejectionOf } from './rejection-of';

let site: NucleusSite;
afterEach(() => site.end());

it.each(['classic', 'lite'] as const)('%s: a token is good until the daemon starts anew, then never', async (kind) => {
  site = await NucleusSite.start({ kind });
  const { nucleus } = site;
  const env = nucleus.env();
  expect(nucleus.env()).toEqual(env);
  const client = site.client(env);
  await client.connect();
  nucleus.ipc.drop();
  await site.client(env).connect();
  nucleus.ipc.restartDaemon();
  await rejectionOf(site.client(env).connect());
  await rejectionOf(site.client(env).connect());
  expect(nucleus.env().SVCUID).not.toBe(env.SVCUID);
  await site.client().connect();
});

it('an unacknowledged connection leaves its client waiting for good, closed or not', async () => {
  site = await NucleusSite.start({ kind: 'lite' });
  site.nucleus.switches.hanging.add('Connect');
  const client = site.client();
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  void client.connect().then(settle, settle);
  await site.nucleus.ipc.waitFor('Connect');
  await client.close();
  site.nucleus.switches.hanging.clear();
  await site.connect();
  expect(settled).toBe(false);
  expect(site.nucleus.ipc.asked('Connect')).toHaveLength(2);
});

it('a call that nobody answers ends by our own hand, and the others go on', async () => {
  site = await NucleusSite.start({ kind: 'classic', configuration: { a: 1 } });
  const client = await site.connect();
  site.nucleus.switches.hanging.add('PublishToIoTCore');
  const controller = new AbortController();
  const publish = { topicName: 'a', payload: 'x', qos: '1' } as Parameters<typeof client.publishToIoTCore>[0];
  const rejection = rejectionOf(client.publishToIoTCore(publish, { cancelController: cancelOn(controller.signal) }));
  await site.nucleus.ipc.waitFor('PublishToIoTCore');
  controller.abort();
  // Not an Error: a string.
  expect(await rejection).toBe('Eventstream execute() cancelled by user request');
  expect((await client.getConfiguration({ keyPath: ['a'] })).value).toEqual({ a: 1 });
  site.nucleus.switches.hanging.clear();
  await client.publishToIoTCore(publish);
  expect(site.nucleus.ipc.connections).toBe(1);
});
