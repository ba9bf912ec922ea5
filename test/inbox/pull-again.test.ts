import { InboxSite } from '../support/inbox-site';
import { until } from '../support/until';

describe('the inbox, when something was there before', () => {
  let site: InboxSite;

  afterEach(() => site.end());

  it('fetches a version again that has come before, when another came between', async () => {
    site = await InboxSite.create({
      policy: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: '*' }],
      },
    });
    await site.courier.start();
    for (const content of ['one', 'two', 'one']) {
      await site.put('device00/inbox/a.txt', content);
      await site.courier.component.pull(['device00/inbox/a.txt']);
      await site.settled();
      await until(
        `it is ${content}`,
        () => site.read('a.txt') === content,
        () => site.courier.logs.slice(-3),
        5_000,
      );
    }
  });
});
