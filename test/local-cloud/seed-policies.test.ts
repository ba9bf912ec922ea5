import { CloudFixture } from '../support/cloud-fixture';
import type { RawRequest, RawS3 } from '../support/cloud-raw-s3';
import type { PolicyDocument } from './policy';
import {
  adminPolicy,
  seedAPolicy,
  seedBRolePolicy,
  seedBSessionPolicy,
  seedCPolicy,
  seedDPolicy,
  seedEPolicy,
} from './seed-policies';

const DENIED = '403 AccessDenied';
let fixture: CloudFixture;
let raw: RawS3;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  fixture.cloud.createBucket('elsewhere');
  raw = fixture.raw();
  for (const key of ['thing/present', 'other/present', 'root']) {
    await raw.send({ method: 'PUT', path: `/depot/${key}`, body: 'x' });
  }
});
afterAll(() => fixture.stop());

describe('the policies of the seeds', () => {
  const variables = { 'credentials-iot:ThingName': 'thing' };
  const put = (key: string): RawRequest => ({ method: 'PUT', path: `/depot/${key}`, body: 'x' });
  const get = (key: string): RawRequest => ({ path: `/depot/${key}` });
  const list = (prefix: string): RawRequest => ({ path: '/depot', query: { 'list-type': '2', prefix } });
  const remove = (key: string): RawRequest => ({ method: 'DELETE', path: `/depot/${key}` });
  const B = { policy: seedBRolePolicy('depot'), sessionPolicy: seedBSessionPolicy('depot', 'thing') };
  test.each<[string, string, RawRequest, PolicyDocument | { policy: PolicyDocument; sessionPolicy: PolicyDocument }]>([
    ['A lists', '200', list('any/'), seedAPolicy('depot')],
    ['A moves', '204', remove('other/none'), seedAPolicy('depot')],
    ['A stays in its bucket', DENIED, { ...list(''), path: '/elsewhere' }, seedAPolicy('depot')],
    ['B uploads into its folder', '200', put('thing/b'), B],
    ['B, another folder', DENIED, put('other/b'), B],
    ['B does not read', DENIED, get('thing/present'), B],
    ['B does not list', DENIED, list('thing/'), B],
    ['C reads at the root', '200', get('root'), seedCPolicy('depot')],
    ['C does not list', DENIED, list(''), seedCPolicy('depot')],
    ['C does not archive', DENIED, remove('root'), seedCPolicy('depot')],
    ['D reads', '200', get('thing/present'), seedDPolicy('depot')],
    ['D learns what is absent', '404 NoSuchKey', get('thing/absent'), seedDPolicy('depot')],
    ['D does not write', DENIED, put('thing/d'), seedDPolicy('depot')],
    ['E uploads into its folder', '200', put('thing/e'), seedEPolicy('depot')],
    ['E reads there', '200', get('thing/present'), seedEPolicy('depot')],
    ['E deletes there', '204', remove('thing/none'), seedEPolicy('depot')],
    ['E lists its folder', '200', list('thing/'), seedEPolicy('depot')],
    ["E lists not another's", DENIED, list('other/'), seedEPolicy('depot')],
    ['E lists not its name without the slash', DENIED, list('thing'), seedEPolicy('depot')],
    ['E writes not at the root', DENIED, put('e'), seedEPolicy('depot')],
    ["E reads not another's", DENIED, get('other/present'), seedEPolicy('depot')],
    ['E learns not what is absent', DENIED, get('thing/absent'), seedEPolicy('depot')],
    ['the administrator does as he likes', '200', put('admin'), adminPolicy()],
  ])('%s → %s', async (_, expected, request, given) => {
    const { policy, ...more } = 'policy' in given ? given : { policy: given };
    const credentials = fixture.cloud.issueCredentials({ policy, variables, ...more });
    const answer = await raw.send({ ...request, credentials });
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
  });
});
