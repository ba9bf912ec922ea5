import { join } from 'node:path';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { courierIotPolicy, seedDIotPolicy } from '../local-cloud/seed-iot-policies';

/** What makes `device00` take jobs into `<dir>/jobs`: what its certificate may, and sections of its configuration. */
export function takesJobs(
  cloud: LocalCloud,
  dir: string,
): { readonly certificatePolicy: PolicyDocument; readonly config: Record<'jobs' | 'mqtt', object> } {
  const policies = [seedDIotPolicy(cloud, 'device00'), courierIotPolicy(cloud)];
  return {
    certificatePolicy: { Version: '2012-10-17', Statement: policies.flatMap(({ Statement }) => Statement) },
    config: {
      jobs: { dir: join(dir, 'jobs'), uploadRoots: [join(dir, 'logs')], copyMaxBytes: 256 * 1024 },
      mqtt: { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile },
    },
  };
}
