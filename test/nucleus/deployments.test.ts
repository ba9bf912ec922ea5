import type { Client } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc';
import {
  type ComponentUpdatePolicyEvents,
  ConfigurationValidityStatus,
  type ValidateConfigurationUpdateEvents,
} from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc/model';
import { until } from '../support/until';
import { NucleusSite } from './nucleus-site';
import { rejectionOf } from './rejection-of';

let site: NucleusSite;
let client: Client;
afterEach(() => site.end());

describe('a deployment on classic', () => {
  beforeEach(async () => {
    site = await NucleusSite.start({ kind: 'classic', configuration: { limit: 1, upload: { parts: 2 } } });
    client = await site.connect();
  });

  /** Refuses limits below 0. */
  async function validate(): Promise<unknown[]> {
    const asked: unknown[] = [];
    const stream = client.subscribeToValidateConfigurationUpdates({});
    stream.on('message', ({ validateConfigurationUpdateEvent }: ValidateConfigurationUpdateEvents) => {
      const { configuration, deploymentId } = validateConfigurationUpdateEvent!;
      asked.push(configuration);
      const isGood = (configuration as { limit: number }).limit >= 0;
      const report = {
        deploymentId: deploymentId!,
        status: isGood ? ConfigurationValidityStatus.ACCEPTED : ConfigurationValidityStatus.REJECTED,
        ...(isGood ? {} : { message: 'limit: below 0' }),
      };
      void client.sendConfigurationValidityReport({ configurationValidityReport: report });
    });
    await stream.activate();
    return asked;
  }

  it('asks about the whole configuration before it merges, and ends when that is refused', async () => {
    const asked = await validate();
    expect(await site.nucleus.deploy({ upload: { parts: 3 } })).toEqual({ result: 'merged' });
    const outcome = await site.nucleus.deploy({ limit: -1 });
    expect(outcome).toEqual({ result: 'refused', message: expect.stringContaining('limit: below 0') });
    expect(asked).toEqual([
      { limit: 1, upload: { parts: 3 } },
      { limit: -1, upload: { parts: 3 } },
    ]);
    expect(site.nucleus.configuration.values).toEqual({ limit: 1, upload: { parts: 3 } });
    expect(site.nucleus.validation.reports.map(({ status }) => status)).toEqual(['ACCEPTED', 'REJECTED']);
    expect(await site.nucleus.deploy({ limit: 7 }, { fromDefaults: true })).toEqual({ result: 'merged' });
    expect(site.nucleus.configuration.values).toEqual({ limit: 7, upload: { parts: 2 } });
  });

  it('asks nobody where that is switched off', async () => {
    const asked = await validate();
    site.nucleus.switches.validates = false;
    expect(await site.nucleus.deploy({ limit: -1 })).toEqual({ result: 'merged' });
    expect(asked).toEqual([]);
  });

  it('ends when nobody answers, and takes no answer later', async () => {
    site.nucleus.switches.validationTimeoutMs = 20;
    const stream = client.subscribeToValidateConfigurationUpdates({});
    await stream.activate();
    expect(await site.nucleus.deploy({ limit: 2 })).toEqual({ result: 'unanswered' });
    expect(site.nucleus.configuration.values).toMatchObject({ limit: 1 });
    const report = { deploymentId: 'deployment-1', status: ConfigurationValidityStatus.ACCEPTED };
    const { serviceError } = await rejectionOf(
      client.sendConfigurationValidityReport({ configurationValidityReport: report }),
    );
    expect(serviceError).toMatchObject({ _errorCode: 'InvalidArgumentsError' });
  });

  it('forgets the second subscriber together with the first', async () => {
    const first = client.subscribeToValidateConfigurationUpdates({});
    await first.activate();
    const second = (await site.connect()).subscribeToValidateConfigurationUpdates({});
    await second.activate();
    await first.close();
    await until('nobody is subscribed', () => !site.nucleus.validation.isSubscribed);
  });
});

describe('an update on classic', () => {
  let asked: ComponentUpdatePolicyEvents[];
  beforeEach(async () => {
    site = await NucleusSite.start({ kind: 'classic' });
    client = await site.connect();
    asked = [];
  });

  async function subscribe(answers: (number | undefined)[]): Promise<void> {
    const stream = client.subscribeToComponentUpdates({});
    stream.on('message', (event: ComponentUpdatePolicyEvents) => {
      asked.push(event);
      const recheckAfterMs = answers.shift();
      const deploymentId = event.preUpdateEvent?.deploymentId;
      if (deploymentId === undefined || recheckAfterMs === undefined) return;
      void client.deferComponentUpdate({ deploymentId, recheckAfterMs, message: 'last part' });
    });
    await stream.activate();
  }

  it('is put off as often as the component says', async () => {
    await subscribe([5, 5, 0]);
    expect(await site.nucleus.announceUpdate({ deploymentId: 'd', isGgcRestarting: true })).toBe(3);
    site.nucleus.updates.finish('d');
    await until('told that it is over', () => asked.length === 4);
    expect(asked[0]).toEqual({ preUpdateEvent: { deploymentId: 'd', isGgcRestarting: true } });
    expect(asked[3]).toEqual({ postUpdateEvent: { deploymentId: 'd' } });
    expect(site.nucleus.updates.deferrals.map(({ recheckAfterMs }) => recheckAfterMs)).toEqual([5, 5, 0]);
  });

  it('goes ahead where nobody says a word in time', async () => {
    site.nucleus.switches.deferTimeoutMs = 20;
    await subscribe([undefined]);
    expect(await site.nucleus.announceUpdate({ deploymentId: 'd' })).toBe(1);
    const { serviceError } = await rejectionOf(client.deferComponentUpdate({ deploymentId: 'd', recheckAfterMs: 1 }));
    expect(serviceError).toMatchObject({ message: 'Time limit to respond to PreComponentUpdateEvent exceeded' });
  });

  it('is not to be put off by who did not subscribe', async () => {
    expect(await site.nucleus.announceUpdate()).toBe(0);
    const { serviceError } = await rejectionOf(client.deferComponentUpdate({ deploymentId: 'd', recheckAfterMs: 1 }));
    expect(serviceError).toMatchObject({ _errorCode: 'InvalidArgumentsError' });
  });
});

describe('lite', () => {
  beforeEach(async () => {
    site = await NucleusSite.start({ kind: 'lite', configuration: { limit: 1 }, switches: { restartAfterMs: 5 } });
    client = await site.connect();
  });

  it('restarts the component after a change, and after a change only', async () => {
    let restarts = 0;
    site.nucleus.onRestartWanted = () => {
      restarts++;
    };
    await site.nucleus.deploy({ limit: 2 });
    await until('a restart', () => restarts === 1);
    site.nucleus.switches.restartAfterMs = 0;
    await site.nucleus.deploy({ limit: 2 });
    await client.updateConfiguration({ keyPath: [], valueToMerge: { limit: 3 }, timestamp: new Date() });
    await site.nucleus.deploy({ limit: 4 });
    await until('one more', () => restarts === 2);
  });

  it.each([
    ['SubscribeToComponentUpdates', () => client.subscribeToComponentUpdates({}).activate()],
    ['DeferComponentUpdate', () => client.deferComponentUpdate({ deploymentId: 'd' })],
    ['SubscribeToValidateConfigurationUpdates', () => client.subscribeToValidateConfigurationUpdates({}).activate()],
    [
      'SendConfigurationValidityReport',
      () =>
        client.sendConfigurationValidityReport({
          configurationValidityReport: { deploymentId: 'd', status: ConfigurationValidityStatus.ACCEPTED },
        }),
    ],
    ['GetThingShadow', () => client.getThingShadow({ thingName: 't', shadowName: 's' })],
    ['PutComponentMetric', () => client.putComponentMetric({ metrics: [] })],
  ])('has no %s', async (_name, call: () => Promise<unknown>) => {
    const { serviceError } = await rejectionOf(call());
    expect(serviceError).toEqual({ _errorCode: 'ServiceError', _message: '' });
  });

  it('has it where a test gives it', async () => {
    site.nucleus.switches.unsupported.clear();
    await client.subscribeToComponentUpdates({}).activate();
    expect(site.nucleus.updates.subscribers).toBe(1);
  });
});
