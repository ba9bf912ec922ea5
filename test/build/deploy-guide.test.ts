import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/load-config';
import { VERSION } from '../../src/version';

const NAME = 'com.thingcourier.Courier';
const read = (file: string): string => readFileSync(resolve(__dirname, '../..', file), 'utf8');

interface Deployment {
  readonly components: Record<string, { componentVersion: string; configurationUpdate: { merge: string } }>;
}

const hasKey = (value: unknown, key: string): boolean => typeof value === 'object' && value !== null && key in value;

describe('what README.md says of deployments', () => {
  const readme = read('README.md');
  const documents = [...readme.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text]) => JSON.parse(text!) as unknown);
  const recipe = parse(read('recipe.yaml')) as {
    ComponentConfiguration: { DefaultConfiguration: { accessControl: Record<string, Record<string, object>> } };
  };

  it('is a deployment of this version, with a configuration that the daemon takes', () => {
    const { components } = documents.find((one) => hasKey(one, 'targetArn')) as Deployment;
    expect(components[NAME]!.componentVersion).toBe(VERSION);
    const settings: unknown = JSON.parse(components[NAME]!.configurationUpdate.merge);
    const { s3, outboxes } = parseConfig(settings, { thingName: 'device00', region: 'eu-central-1' });
    expect(s3.bucket).toBeDefined();
    expect(outboxes).toHaveLength(1);
  });

  it('names this version in its commands', () => {
    const told = [...readme.matchAll(/(?:version=|Courier=)(\d+\.\d+\.\d+)/g)].map(([, version]) => version);
    expect(told).toEqual([VERSION, VERSION]);
  });

  it('tightens policies that the recipe has', () => {
    const { accessControl } = documents.find((one) => hasKey(one, 'accessControl')) as {
      accessControl: Record<string, Record<string, { resources: string[] }>>;
    };
    const shipped = recipe.ComponentConfiguration.DefaultConfiguration.accessControl;
    for (const [service, policies] of Object.entries(accessControl)) {
      for (const [id, { resources }] of Object.entries(policies)) {
        const wide = resources.map((resource) => resource.replace('{iot:thingName}', '*'));
        expect(shipped[service]![id]).toMatchObject({ resources: wide });
      }
    }
  });
});
