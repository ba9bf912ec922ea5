import { CommandError } from '../../src/cloud/cloud-error';
import { bucket } from '../../src/cloud/commands/bucket';
import { job } from '../../src/cloud/commands/job';
import { send } from '../../src/cloud/commands/send';
import { Screen } from '../../src/cloud/screen';

const COMMANDS = { send, job, bucket };
const NAMES = '1 to 128 of the characters a-z A-Z 0-9 : _ -, nothing else; name it so';
const usual = ['--thing', 'pump-1', '--file', 'f.txt'];

/** Before anybody is asked. */
describe('what courier cloud does not take', () => {
  it.each<{ command: keyof typeof COMMANDS; args: string[]; message: string }>([
    { command: 'send', args: ['no/thing', 'f'], message: `"no/thing" cannot be the name of a thing: ${NAMES}` },
    {
      command: 'send',
      args: ['d'],
      message: "courier cloud send takes a thing's name and files; see courier cloud --help",
    },
    {
      command: 'send',
      args: ['d', 'f', '--timeout', '1h'],
      message: '--timeout is of --wait; give both, or none',
    },
    {
      command: 'send',
      args: ['d', 'f', '--wait', '--timeout', 'soon'],
      message: '--timeout takes a number and s, m, h or d, not "soon"; write 90s, 10m or 1h',
    },
    {
      command: 'job',
      args: ['--file', 'f.txt'],
      message: 'courier cloud job takes a thing or a group; name it by --thing or --group',
    },
    { command: 'job', args: ['--thing', 'pump-1'], message: 'courier cloud job takes files; name them by --file' },
    {
      command: 'job',
      args: ['--group', 'a/b', '--file', 'f.txt'],
      message: `"a/b" cannot be the name of a thing group: ${NAMES}`,
    },
    {
      command: 'job',
      args: [...usual, '--expires', '2h'],
      message:
        '--expires 2h is not from 60s to 1h, which AWS IoT takes; a device that needs longer asks for a fresh URL, so 1h suffices',
    },
    {
      command: 'job',
      args: [...usual, '--expires', '59s'],
      message:
        '--expires 59s is not from 60s to 1h, which AWS IoT takes; a device that needs longer asks for a fresh URL, so 1h suffices',
    },
    {
      command: 'job',
      args: [...usual, '--id', 'a b'],
      message: '"a b" cannot be the id of a job: 1 to 64 of the characters a-z A-Z 0-9 _ -; name it so',
    },
    {
      command: 'job',
      args: [...usual, '--unpack', 'rar'],
      message: '--unpack takes zip or tar.gz, not "rar"; pack the files so, or let --pack do it',
    },
    {
      command: 'job',
      args: [...usual, '--file', 'g.txt', '--unpack', 'zip'],
      message: '--unpack is of one archive that is there; several files are packed by --pack',
    },
    {
      command: 'job',
      args: ['f.txt', ...usual],
      message: 'courier cloud job takes files by --file, not "f.txt"; see courier cloud --help',
    },
    {
      command: 'bucket',
      args: ['a', 'b'],
      message: 'courier cloud bucket takes one bucket; see courier cloud --help',
    },
    {
      command: 'bucket',
      args: ['My_Bucket'],
      message:
        '"My_Bucket" cannot be the name of a bucket: 3 to 63 of a-z 0-9 . -, neither . nor - at an end; see aws s3 ls',
    },
  ])('$command $args', async ({ command, args, message }) => {
    const screen = new Screen({
      write: () => {
        throw new Error('something was said');
      },
    });
    const refusal = await COMMANDS[command](args, screen).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CommandError);
    expect((refusal as Error).message).toBe(message);
  });
});
