import { stringify } from 'yaml';
import { VERSION } from '../../version';
import type { Stack } from '../account/read-stack';
import { CERTIFICATE_FILE, KEY_FILE } from './thing-folder';

export interface Endpoints {
  /** Host of AWS IoT's MQTT. */
  readonly data: string;
  /** Host of the credentials endpoint. */
  readonly credentials: string;
}

export const ROOT_CA_FILE = 'root-ca.pem';
const COMPONENT = 'com.thingcourier.Courier';
/** Where a nucleus looks for what belongs to the device. */
const GREENGRASS = '/greengrass/v2';
const GREENGRASS_LITE = '/var/lib/greengrass';
const DATA = '/data';
const USUAL_ARCHIVE = '{thing}/archive/';

type Sections = Readonly<Record<string, unknown>>;

/** Of a device without Greengrass; paths of its own files start in the folder of the file. */
export function makeConfig(stack: Stack, thing: string, endpoints: Endpoints): string {
  const { roleAlias, speaksMqtt } = stack;
  return document(`courier run --config courier.yaml; ${thing}, of the stack ${stack.name}`, {
    thing: { name: thing, certificateFile: CERTIFICATE_FILE, privateKeyFile: KEY_FILE },
    ...sharedSections(stack),
    credentials: { roleAlias: { endpoint: endpoints.credentials, alias: roleAlias } },
    ...(speaksMqtt ? { mqtt: { endpoint: endpoints.data, caFile: ROOT_CA_FILE } } : {}),
    state: { dir: '/var/lib/thing-courier' },
  });
}

/** What bucket and folders are, whoever gives the rest: of the component, where a nucleus does. */
const sharedSections = ({ bucket, region, archivePrefix, jobsRoleArn }: Stack): Sections => ({
  s3: { bucket, region },
  outboxes: [{ path: `${DATA}/outbox` }],
  inbox: { dir: `${DATA}/inbox`, ...(archivePrefix === USUAL_ARCHIVE ? {} : { archivePrefix }) },
  ...(jobsRoleArn === undefined ? {} : { jobs: { dir: `${DATA}/jobs` } }),
});

/** The files of a Greengrass core device, by name: of the component, its deployment, and either nucleus. */
export function makeCoreFiles(stack: Stack, thing: string, endpoints: Endpoints): Readonly<Record<string, string>> {
  const { partition, region, accountId, roleAlias } = stack;
  const component = sharedSections(stack);
  const ours = {
    awsRegion: region,
    iotRoleAlias: roleAlias,
    iotCredEndpoint: endpoints.credentials,
    iotDataEndpoint: endpoints.data,
  };
  const system = (folder: string, root: Sections): Sections => ({
    certificateFilePath: `${folder}/${CERTIFICATE_FILE}`,
    privateKeyPath: `${folder}/${KEY_FILE}`,
    rootCaPath: `${folder}/${ROOT_CA_FILE}`,
    ...root,
    thingName: thing,
  });
  return {
    'courier.yaml': document(`configuration of ${COMPONENT} on ${thing}; deployment.json lays it over`, component),
    'deployment.json': `${JSON.stringify(
      {
        targetArn: `arn:${partition}:iot:${region}:${accountId}:thing/${thing}`,
        components: {
          [COMPONENT]: {
            componentVersion: VERSION,
            configurationUpdate: { merge: JSON.stringify(component) },
          },
        },
        deploymentPolicies: {
          failureHandlingPolicy: 'ROLLBACK',
          componentUpdatePolicy: { action: 'NOTIFY_COMPONENTS', timeoutInSeconds: 120 },
        },
      },
      null,
      2,
    )}\n`,
    'nucleus.yaml': document('of the nucleus: Greengrass.jar --init-config nucleus.yaml', {
      system: system(GREENGRASS, { rootpath: GREENGRASS }),
      services: { 'aws.greengrass.Nucleus': { componentType: 'NUCLEUS', configuration: ours } },
    }),
    'nucleus-lite.yaml': document('of nucleus lite: /etc/greengrass/config.yaml', {
      system: system(GREENGRASS_LITE, { rootPath: GREENGRASS_LITE }),
      services: {
        'aws.greengrass.NucleusLite': {
          componentType: 'NUCLEUS',
          configuration: {
            ...ours,
            runWithDefault: { posixUser: 'gg_component:gg_component' },
            greengrassDataPlanePort: '8443',
          },
        },
      },
    }),
  };
}

const document = (comment: string, sections: Sections): string =>
  `# ${comment}\n${stringify(sections, { lineWidth: 0 })}`;
