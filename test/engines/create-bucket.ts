import type { Engine } from './engine';
import { sendSigned } from './signed-request';

/** CreateBucket by the account that owns everything. */
export async function createBucket(engine: Engine, ca: string, name: string): Promise<void> {
  const { endpoint, region, admin: keys } = engine;
  const answer = await sendSigned({ endpoint, region, ca, keys, service: 's3', method: 'PUT', path: `/${name}` });
  if (answer.status !== 200) throw new Error(`CreateBucket ${name}: ${answer.status} ${answer.text}`);
}
