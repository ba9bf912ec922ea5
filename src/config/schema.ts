import * as z from 'zod';
import { THING_NAME } from '../domain/thing-name';

const MIB = 1024 * 1024;

/** Local deployments on Greengrass nucleus lite turn every scalar into a string; both spellings are one value. */
const number = () =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value),
    z.number(),
  );
const whole = (min: number, max = Number.MAX_SAFE_INTEGER) => number().pipe(z.number().int().min(min).max(max));
const flag = () => z.preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), z.boolean());
const text = () =>
  z.preprocess(
    (value) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : value),
    z.string().min(1),
  );
const section = <Shape extends z.core.$ZodLooseShape>(shape: Shape) => z.strictObject(shape);

const thing = section({
  name: text()
    .pipe(z.string().regex(THING_NAME, 'a thing name has 1 to 128 of the characters a-z A-Z 0-9 : _ -'))
    .optional()
    .describe('Name of the thing in AWS IoT. Fills `{thing}` and is sent to the credentials endpoint.'),
  type: text().optional().describe('Fills `{thingType}` in keys.'),
  certificateFile: text().optional().describe('The device certificate, PEM.'),
  privateKeyFile: text().optional().describe('Its private key, PEM, readable by the daemon alone (mode 0600 or 0400).'),
});

const s3 = section({
  bucket: text().optional().describe('Name of the bucket, or ARN of an access point.'),
  region: text()
    .optional()
    .describe('AWS region of the bucket. Learned from the role alias endpoint or the nucleus when left out.'),
  endpoint: text()
    .pipe(z.url({ protocol: /^https?$/, error: 'a URL such as https://s3.example.org' }))
    .optional()
    .describe('Another store that speaks S3. With plain `http` every payload is signed.'),
  pathStyle: flag().default(false).describe('`https://host/bucket/key` instead of `https://bucket.host/key`.'),
  dualStack: flag().default(false).describe('Use the IPv4/IPv6 endpoints.'),
  fips: flag().default(false).describe('Use the FIPS endpoints.'),
  caFile: text().optional().describe('CA certificates for this endpoint, PEM, instead of those Node.js brings along.'),
  expectedBucketOwner: text()
    .pipe(z.string().regex(/^\d{12}$/, 'an AWS account id has 12 digits (in YAML: in quotes)'))
    .optional()
    .describe('Account id that must own the bucket; every request is refused by S3 otherwise.'),
  storageClass: text().optional().describe('For example `STANDARD_IA`.'),
  kmsKeyId: text()
    .optional()
    .describe('Encrypt with this KMS key (SSE-KMS). Multipart needs kms:GenerateDataKey and kms:Decrypt.'),
  tags: z.record(z.string(), text()).default({}).describe('Object tags. They need s3:PutObjectTagging.'),
});

const roleAlias = section({
  endpoint: text()
    .optional()
    .describe(
      'Credentials endpoint, with or without `https://` (`aws iot describe-endpoint --endpoint-type iot:CredentialProvider`).',
    ),
  alias: text()
    .pipe(z.string().regex(/^[\w=,@-]{1,128}$/, 'a role alias has 1 to 128 of the characters a-z A-Z 0-9 = , @ _ -'))
    .optional()
    .describe('Name of the role alias.'),
  thingNameHeader: flag()
    .default(true)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is how IAM writes it
    .describe('Send `x-amzn-iot-thingname`. Policy variables such as `${credentials-iot:ThingName}` need it.'),
  caFile: text()
    .optional()
    .describe('CA certificates for the credentials endpoint, PEM, instead of those Node.js brings along.'),
});

const mqttToken = section({
  requestTopic: text().default('{thing}/token/req').describe('MQTT topic on which a token is asked for.'),
  responseTopic: text().default('{thing}/token/res').describe('MQTT topic on which tokens come, asked for or not.'),
  shadow: text()
    .pipe(z.string().regex(/^[a-zA-Z0-9:_-]{1,64}$/, 'classic, or the name of a named shadow'))
    .optional()
    .describe(
      'Tokens are put into the shadow of the thing on a schedule, and not asked for: `classic`, or the name of a named shadow.',
    ),
});

const SOURCES = ['token-exchange', 'role-alias', 'mqtt-token'] as const;

const credentials = section({
  source: z
    .union([z.enum(['auto', ...SOURCES]), z.array(z.enum(SOURCES)).min(1)], {
      error: `auto, one of ${SOURCES.join(', ')}, or a list of these`,
    })
    .default('auto')
    .describe(
      'One, or a list in order of preference: the next serves while those before it cannot. `auto`: token exchange where the Greengrass nucleus offers it, else the role alias.',
    ),
  roleAlias: roleAlias.prefault({}).describe('IoT role alias, reached with the device certificate.'),
  mqttToken: mqttToken.prefault({}).describe('Tokens that a function in the account vends by message.'),
});

const proxy = section({
  url: text()
    .pipe(
      z
        .string()
        .regex(
          /^http:\/\/[^@/\s]+\/?$/,
          'http://host:port, without user and password (proxy.credentialsFile has them)',
        ),
    )
    .optional()
    .describe(
      'HTTP proxy that opens tunnels (CONNECT), `http://host:port`: for S3, the credentials endpoint and MQTT. Default: HTTPS_PROXY of the environment.',
    ),
  credentialsFile: text().optional().describe('A file with `user:password` for the proxy (mode 0600).'),
  noProxy: z
    .array(text())
    .optional()
    .describe(
      'What is reached without it: names and all below them, addresses, blocks (`10.0.0.0/8`), each with `:port` or without. Default: NO_PROXY of the environment.',
    ),
});

const pattern = () => text().describe('Glob; without a slash it is about names, with one about paths.');

const rule = section({
  match: pattern().describe('Glob of the files it is about; without a slash of their names, with one of their paths.'),
  settleSeconds: number().pipe(z.number().min(0).max(86_400)).optional().describe("Instead of the outbox's."),
  marker: text()
    .pipe(z.string().regex(/^[^/]+$/, 'a suffix of a name, such as .ready'))
    .optional()
    .describe('A file is whole when `<name><marker>` lies beside it; the marker goes when the file is claimed.'),
  claim: z.enum(['move', 'leave']).optional().describe("Instead of the outbox's."),
  afterUpload: z.enum(['delete', 'keep']).optional().describe("Instead of the outbox's."),
});

const outbox = section({
  path: text().describe('Folder whose files go to S3.'),
  key: text()
    .default('{thing}/outbox/{path}')
    .describe(
      'Object key. `{thing} {thingType} {certificateId}`, `{path} {name} {ext} {id}`, and the mtime in UTC as `{yyyy} {MM} {dd} {HH}`.',
    ),
  priority: whole(-100, 100).default(0).describe('Files of an outbox with a higher number go first.'),
  order: z
    .enum(['oldest', 'newest'])
    .default('oldest')
    .describe('Which file goes first. Versions of one key always go in order.'),
  rescanSeconds: number()
    .pipe(z.number().min(0.1).max(86_400))
    .default(30)
    .describe('How often the folder is looked through, beside the looks that a change in it brings.'),
  settleSeconds: number()
    .pipe(z.number().min(0).max(86_400))
    .default(5)
    .describe('A file is claimed when it has not changed for so long. At least 60 on network file systems.'),
  openWriterSeconds: number()
    .pipe(z.number().min(0).max(31_536_000))
    .default(3600)
    .describe(
      'A file that a program holds open for writing is not claimed before so long. It is not deleted before it is closed.',
    ),
  ignore: z
    .array(pattern())
    .default([])
    .describe('Globs of files and folders to be left alone, beside `.*`, `*.tmp` and `*.part`.'),
  claim: z
    .enum(['move', 'leave'])
    .default('move')
    .describe(
      '`move`: settled files are moved into the spool. `leave`: they are sent from where they lie (camera rings, logs, targets of rsync).',
    ),
  afterUpload: z
    .enum(['delete', 'keep'])
    .optional()
    .describe('What becomes of a delivered file. Default: claimed files are deleted, files sent in place stay.'),
  deleteGraceSeconds: number()
    .pipe(z.number().min(0).max(86_400))
    .default(10)
    .describe('How long a delivered file is kept before it is deleted or moved to `sentDir`.'),
  sentDir: text().optional().describe('Where `afterUpload: keep` puts claimed files. On the file system of the spool.'),
  sentMaxDays: number().pipe(z.number().min(0)).optional().describe('Files in `sentDir` go when they are older.'),
  sentMaxBytes: whole(0).optional().describe('The oldest files in `sentDir` go when there is more.'),
  duplicates: z
    .enum(['send', 'skip'])
    .default('send')
    .describe('`skip`: a file with the content that its path last delivered is not sent again.'),
  pruneEmptyFolders: flag().default(false).describe('Remove folders of the outbox that a claim has emptied.'),
  rules: z.array(rule).default([]).describe('For some of the files; the first whose `match` fits decides.'),
});

const upload = section({
  singlePutMaxBytes: whole(0, 5_000_000_000)
    .default(8 * MIB)
    .describe('Up to this size a file is one PutObject; beyond, a multipart upload.'),
  partSizeBytes: whole(5 * MIB, 5 * 1024 * MIB)
    .default(8 * MIB)
    .describe('Size of a part; grows where 10,000 parts would not suffice.'),
  parallelFiles: whole(1, 256).default(16).describe('Files under way at once.'),
  parallelParts: whole(1, 64).default(4).describe('Parts of one file under way at once.'),
  uploadMemoryBytes: whole(1 * MIB)
    .default(32 * MIB)
    .describe('Buffers of all uploads together. A request larger than a third of it is streamed.'),
  integrity: z
    .enum(['crc32', 'md5'])
    .default('crc32')
    .describe('Checksum S3 verifies. `md5` for stores that do not know CRC32.'),
  payload: z
    .enum(['unsigned', 'signed'])
    .default('unsigned')
    .describe('`signed`: SHA-256 of every payload in the signature, where a bucket policy demands it.'),
  onExisting: z
    .enum(['overwrite', 'skip', 'rename'])
    .default('overwrite')
    .describe('When the key is taken: replace it, leave it and be done, or go to `name-<mtime>.ext`.'),
  stallSeconds: number()
    .pipe(z.number().min(0.5).max(3600))
    .default(30)
    .describe('A request that moves no byte for so long is given up.'),
  retryMaxSeconds: number()
    .pipe(z.number().min(1).max(86_400))
    .default(300)
    .describe('Longest pause between two attempts at one file.'),
  probeMaxSeconds: number()
    .pipe(z.number().min(1).max(86_400))
    .default(900)
    .describe('Longest pause between two probes while the link is down or the account refuses.'),
});

const inbox = section({
  dir: text()
    .optional()
    .describe(
      'Folder that objects of the inbox land in; it is made when it is not there. Without it nothing comes down.',
    ),
  prefix: text().default('{thing}/inbox/').describe('Where objects for this device lie. A slash is put at its end.'),
  archivePrefix: text()
    .default('{thing}/archive/')
    .describe('Where an object goes once its file is safe on the device.'),
  only: text().optional().describe('The one file below `prefix` that is meant.'),
  keys: z
    .array(text())
    .default([])
    .describe('Full keys, each polled by name; then nothing is listed, and no message is needed.'),
  allowedPrefixes: z
    .array(z.preprocess((value) => (typeof value === 'number' ? String(value) : value), z.string()))
    .optional()
    .describe('What may be asked for by name. Default: `prefix` and `keys`. `""`: anything in the bucket.'),
  pollMinutes: number()
    .pipe(z.number().min(0).max(43_200))
    .default(60)
    .describe(
      'How often the inbox is looked through, give or take a half, in case a message was lost. 0: at start and on reconnecting only.',
    ),
  onExisting: z
    .enum(['overwrite', 'rename', 'skip'])
    .default('overwrite')
    .describe('When a file of that name is there: replace it, land as `name (1).ext`, or leave both where they are.'),
  maxObjectBytes: whole(0).optional().describe('Larger objects are not fetched, and stay in the bucket.'),
  parallelObjects: whole(1, 64)
    .default(16)
    .describe('Objects under way at once; of those larger than 64 MiB four at most.'),
  pullTopic: text().default('courier/{thing}/inbox/pull').describe('MQTT topic on which a pull is asked for.'),
  resultTopic: text().default('courier/{thing}/inbox/result').describe('MQTT topic on which results are told.'),
  landedTopic: text()
    .default('courier/inbox/landed')
    .describe('Local topic on which other components learn of each file that has landed.'),
});

/** Where S3's URLs lead, in all partitions. */
const S3_DOMAINS = ['amazonaws.com', 'amazonaws.com.cn', 'amazonaws.eu', 'c2s.ic.gov', 'sc2s.sgov.gov'];

const jobs = section({
  dir: text()
    .optional()
    .describe(
      'Folder that files of IoT Jobs land in; it is made when it is not there. Without it no job brings anything.',
    ),
  operations: z
    .record(z.string(), z.enum(['download', 'upload', 'reject']))
    .default({})
    .describe(
      'What the word in `operation` of a job document stands for. By itself a document with `url`, `key` or `files` is a download, one with `paths` an upload.',
    ),
  allowedHosts: z
    .array(text())
    .default(S3_DOMAINS)
    .describe('Hosts, or domains above them, that URLs may lead to, beside the one of `s3.endpoint`. By https only.'),
  unpackMaxBytes: whole(0)
    .default(4 * 1024 * MIB)
    .describe('An archive that unpacks to more is refused.'),
  uploadRoots: z
    .array(text().pipe(z.string().startsWith('/', 'an absolute path')))
    .default([])
    .describe('Folders whose files a job may ask for. Nothing outside of them is given away.'),
  uploadKey: text()
    .default('{thing}/jobs/{path}')
    .describe("Key of such a file; `{path}` is the job's id and the file's path on the device."),
  copyMaxBytes: whole(0)
    .default(64 * MIB)
    .describe(
      'A file that a job asks for is copied at that moment when it has no more, or the file system shares blocks; a larger one is sent from where it lies.',
    ),
  retryMinutes: number()
    .pipe(z.number().min(1).max(43_200))
    .default(60)
    .describe('A job of which nothing comes or goes for so long, although AWS IoT can be reached, has failed.'),
});

const mqtt = section({
  endpoint: text()
    .pipe(
      z
        .string()
        .regex(
          /^(?:(?:https|mqtts):\/\/)?[^/:\s]+(?::\d{1,5})?\/?$/,
          'a host such as abc-ats.iot.eu-central-1.amazonaws.com',
        ),
    )
    .optional()
    .describe(
      'Data endpoint of AWS IoT, `host` or `host:port` (`aws iot describe-endpoint --endpoint-type iot:Data-ATS`). Without it, and without a Greengrass nucleus, there are no messages. Port 8883, or 443.',
    ),
  clientId: text()
    .pipe(z.string().max(128))
    .optional()
    .describe('Client id; default the name of the thing. Another client with the same id throws the daemon out.'),
  keepAliveSeconds: whole(30, 1200)
    .default(1200)
    .describe('A quiet connection is asked so often whether it is still there.'),
  caFile: text().optional().describe('CA certificates for this endpoint, PEM, instead of those Node.js brings along.'),
});

const greengrass = section({
  validateUpdates: flag()
    .default(true)
    .describe(
      'Refuse a deployment whose configuration is not usable. `false`: it goes through, and the one before stays in use.',
    ),
  maxDeferSeconds: number()
    .pipe(z.number().min(0).max(3600))
    .default(60)
    .describe('How long an update of the component may wait for files that are in their last part.'),
  deliveredTopic: text()
    .pipe(z.string().regex(/^[^+#*]{1,256}$/, 'a topic of 1 to 256 characters without + # *'))
    .default('courier/outbox/delivered')
    .describe('Local topic on which other components learn of each delivered file.'),
});

const state = section({
  dir: text()
    .default('/var/lib/thing-courier')
    .describe(
      'Ledger, spool and control socket. On a local disk, never inside an outbox. As a component: `state` in its work folder.',
    ),
  historyFiles: whole(0, 10_000_000)
    .default(10_000)
    .describe('So many of the latest uploads can be looked up; older ones are only counted.'),
});

export const configSchema = section({
  thing: thing.prefault({}).describe('Who this device is.'),
  s3: s3.prefault({}).describe('Where files go.'),
  credentials: credentials.prefault({}).describe('How the device may. Never a key on the device.'),
  outboxes: z
    .array(outbox)
    .default([])
    .describe(
      'Folders whose files are uploaded. As a component, when nothing is said of them: `outbox` in its work folder.',
    ),
  upload: upload.prefault({}).describe('How files go up.'),
  inbox: inbox.prefault({}).describe('Files that come down.'),
  jobs: jobs.prefault({}).describe('AWS IoT Jobs: files by expiring URLs, and files collected on request.'),
  mqtt: mqtt
    .prefault({})
    .describe('Messages to and from AWS IoT, by the device certificate. Not used as a Greengrass component.'),
  proxy: proxy.prefault({}).describe('The way out, where it is not direct.'),
  greengrass: greengrass.prefault({}).describe('As a Greengrass component.'),
  state: state.prefault({}).describe('What the daemon keeps.'),
});

/** The whole configuration, defaults filled in, every path absolute. */
export type Config = z.output<typeof configSchema>;
export type OutboxConfig = Config['outboxes'][number];
export type JobsConfig = Config['jobs'];
export type UploadConfig = Config['upload'];
export type SourceName = (typeof SOURCES)[number];
