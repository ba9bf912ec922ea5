import { join } from 'node:path';
import { shellQuoted } from '../../domain/shell-quoted';

const FOLDER = '/etc/thing-courier';

export interface Destination {
  readonly thing: string;
  /** The folder that goes onto the device. */
  readonly path: string;
  /** Options for the AWS CLI, with a blank before each. */
  readonly again: string;
}

const packed = ({ thing, path }: Destination): string => join(path, `${thing}.tar`);
/** A host may not have a colon in its name, as a thing may, nor a hyphen first. */
const host = ({ thing }: Destination): string => thing.replaceAll(':', '-').replace(/^-+/, '') || 'device';

/** After the folder of a device without Greengrass was written. */
export const nextOnDevice = (to: Destination): string => `
Next, with thing-courier installed on the device (README, "Without Greengrass"):

  ssh ${host(to)} 'sudo mkdir -p ${FOLDER} && sudo tar -x --no-same-owner -C ${FOLDER} && sudo chown -R courier: ${FOLDER}' < ${shellQuoted(packed(to))}
  ssh ${host(to)} 'sudo systemctl enable thing-courier && sudo systemctl restart thing-courier'

See which folders courier.yaml names before. Whoever has ${packed(to)} is the device: remove it, and
private.key, when they are there.
`;

/** After the folder of a Greengrass core device was written. */
export const nextOnCore = (to: Destination): string => `
Next, on the device:

  nucleus        certificate.pem, private.key and root-ca.pem into /greengrass/v2, and
                 java -Droot=/greengrass/v2 -jar lib/Greengrass.jar --init-config nucleus.yaml --setup-system-service true
  nucleus lite   the three into /var/lib/greengrass, nucleus-lite.yaml as /etc/greengrass/config.yaml

and here, when the component is published (README, "Deploy with Greengrass"):

  aws greengrassv2 create-deployment --cli-input-json ${shellQuoted(`file://${join(to.path, 'deployment.json')}`)}${to.again}

The role of the role alias has to read the components' bucket too (README, "What the account must allow there"). Whoever
has ${packed(to)} is the device: remove it, and private.key, when they are there.
`;
