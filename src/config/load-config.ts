import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import type * as z from 'zod';
import { UsageError } from '../domain/errors';
import { type Config, configSchema } from './schema';
import { parseSettingConf } from './setting-conf';

/** What the surroundings say. The nucleus, through its environment, fills gaps; the command line's state folder goes before the file's. */
export interface Surroundings {
  readonly thingName?: string | undefined;
  readonly region?: string | undefined;
  readonly stateDir?: string | undefined;
}

type Settings = Record<string, unknown>;

/**
 * Reads configuration files, a later one over an earlier one (objects merge, lists replace), and says all that is
 * wrong at once. Relative paths in a file start at that file's folder. `.conf` and `.ini` are the settings file of the
 * published how-to, anything else is YAML (or JSON).
 * @throws UsageError
 */
export function loadConfig(files: readonly string[], surroundings: Surroundings): Config {
  if (files.length === 0) throw new UsageError('no configuration; name one: --config courier.yaml');
  const merged = files.map(readSettings).reduce(merge, {});
  return parseConfig(merged, surroundings);
}

/** @throws UsageError that lists every problem */
export function parseConfig(settings: unknown, surroundings: Surroundings): Config {
  const parsed = configSchema.safeParse(settings);
  if (!parsed.success) {
    throw new UsageError(
      `the configuration is not usable:\n${parsed.error.issues.map(explain).join('\n')}\ncorrect it, and start or deploy it again`,
    );
  }
  const config = fillGaps(parsed.data, surroundings);
  const problems = [...findContradictions(config)];
  if (problems.length > 0) {
    throw new UsageError(
      `the configuration is not usable:\n${problems.map((p) => `  ${p}`).join('\n')}\ncorrect it, and start or deploy it again`,
    );
  }
  return config;
}

/** AWS IoT's certificate id: SHA-256 of the certificate, in hex. */
export function certificateId(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
}

function readSettings(file: string): Settings {
  const text = readText(file);
  const folder = dirname(resolve(file));
  if (/\.(conf|ini)$/.test(file)) return absolute(parseSettingConf(text, file), folder);
  let settings: unknown;
  try {
    settings = parseYaml(text) ?? {};
  } catch (cause) {
    throw new UsageError(`${file} is not YAML: ${(cause as Error).message.trim()}; correct that line`, { cause });
  }
  if (!isObject(settings))
    throw new UsageError(`${file}: sections are expected (thing:, s3:, …), not a ${typeof settings}`);
  return absolute(settings, folder);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(
      `cannot read the configuration ${file} (${(cause as NodeJS.ErrnoException).code}); check the path and its rights`,
      { cause },
    );
  }
}

/**
 * The component's configuration as the nucleus gives it: relative paths start in the component's work folder, where
 * also its state lies. A value that was taken away is null there, and after a local deployment on nucleus lite "null".
 * Where nothing is said of outboxes there is one, `outbox` in the work folder, as soon as there is a bucket.
 */
export function componentSettings(value: unknown, workFolder: string): unknown {
  if (!isObject(value)) return value;
  const { accessControl, ...given } = withoutNulls(value) as Settings; // which is the nucleus's
  const bucket = isObject(given.s3) && given.s3.bucket !== undefined;
  return absolute(
    merge({ state: { dir: 'state' }, ...(bucket ? { outboxes: [{ path: 'outbox' }] } : {}) }, given),
    workFolder,
  );
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== null && one !== 'null')
      .map(([name, one]) => [name, withoutNulls(one)]),
  );
}

const isObject = (value: unknown): value is Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function merge(under: Settings, over: Settings): Settings {
  const merged: Settings = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const below = merged[name];
    merged[name] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return merged;
}

/** Every setting that names a file or folder ends so, or is one of these. */
function absolute(settings: Settings, folder: string): Settings {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]): [string, unknown] => {
      if (isObject(value)) return [name, absolute(value, folder)];
      if (Array.isArray(value)) return [name, value.map((item) => (isObject(item) ? absolute(item, folder) : item))];
      const isPath =
        typeof value === 'string' &&
        value !== '' &&
        (name.endsWith('File') || name === 'path' || name === 'dir' || name === 'sentDir');
      return [name, isPath ? resolve(folder, value) : value];
    }),
  );
}

function fillGaps(config: Config, { thingName, region, stateDir }: Surroundings): Config {
  const { thing, s3, credentials, state, inbox, jobs } = config;
  const [prefix, archivePrefix] = [asFolder(inbox.prefix), asFolder(inbox.archivePrefix)];
  return {
    ...config,
    inbox: { ...inbox, prefix, archivePrefix },
    jobs: { ...jobs, uploadRoots: jobs.uploadRoots.map((root) => resolve(root)) },
    thing: { ...thing, name: thing.name ?? thingName },
    s3: {
      ...s3,
      region:
        s3.region ??
        regionOfHost(credentials.roleAlias.endpoint) ??
        regionOfArn(s3.bucket) ??
        region ??
        (s3.endpoint ? 'us-east-1' : undefined),
    },
    state: { ...state, dir: resolve(stateDir ?? state.dir) },
  };
}

/** Prefixes come with a slash or without. */
const asFolder = (prefix: string): string => (prefix.endsWith('/') ? prefix : `${prefix}/`);

/** `c1example.credentials.iot.eu-central-1.amazonaws.com` → `eu-central-1` */
const regionOfHost = (endpoint: string | undefined): string | undefined =>
  /\.credentials\.iot(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?(?::\d+)?\/?$/.exec(endpoint ?? '')?.[1];

const regionOfArn = (bucket: string | undefined): string | undefined =>
  /^arn:[\w-]+:s3[\w-]*:([a-z0-9-]+):/.exec(bucket ?? '')?.[1];

function* findContradictions(config: Config): Generator<string> {
  const { s3, outboxes, thing, credentials, inbox } = config;
  if ((outboxes.length > 0 || inbox.dir !== undefined) && s3.bucket === undefined)
    yield 's3.bucket: missing; name the bucket the files go to and come from';
  yield* findInboxContradictions(config);
  yield* findJobsContradictions(config);
  if (s3.bucket !== undefined && s3.region === undefined)
    yield "s3.region: missing; name the bucket's region, for example eu-central-1";
  if (s3.expectedBucketOwner === undefined && s3.bucket?.includes('/') && !s3.bucket.startsWith('arn:')) {
    yield `s3.bucket: "${s3.bucket}" is not a bucket name; folders belong into outboxes[].key`;
  }
  if (namedSources(credentials.source).includes('role-alias')) {
    for (const [name, value] of Object.entries({
      'credentials.roleAlias.endpoint': credentials.roleAlias.endpoint,
      'credentials.roleAlias.alias': credentials.roleAlias.alias,
      'thing.certificateFile': thing.certificateFile,
      'thing.privateKeyFile': thing.privateKeyFile,
    })) {
      if (value === undefined) yield `${name}: missing; credentials.source role-alias needs it`;
    }
  }
  const { requestTopic, responseTopic, shadow } = credentials.mqttToken;
  const needsName = shadow !== undefined || `${requestTopic}${responseTopic}`.includes('{thing}');
  if (namedSources(credentials.source).includes('mqtt-token') && needsName && thing.name === undefined)
    yield 'thing.name: missing; credentials.source mqtt-token needs it for its topics';
  if (new Set(namedSources(credentials.source)).size < namedSources(credentials.source).length)
    yield 'credentials.source: names a source twice; name each once, the one wanted most first';
  for (const [i, { key }] of outboxes.entries()) {
    const other = outboxes.findIndex((outbox) => outbox.key === key);
    if (other < i)
      yield `outboxes[${i}].key: the same as outboxes[${other}].key, so that files of one name would overwrite each other; add a folder to one, for example {thing}/outbox/${basename(outboxes[i]!.path)}/{path}`;
  }
  for (const [i, { sentDir, afterUpload, rules, path }] of outboxes.entries()) {
    const keeps = afterUpload === 'keep' || rules.some((rule) => rule.afterUpload === 'keep');
    if (keeps && sentDir === undefined)
      yield `outboxes[${i}].sentDir: missing; afterUpload keep needs a folder, for example ${path}.sent`;
    if (sentDir !== undefined && (sentDir === path || sentDir.startsWith(inside(path))))
      yield `outboxes[${i}].sentDir: ${sentDir} lies inside the outbox, its files would be sent again; put it elsewhere`;
  }
  const paths = outboxes.map(({ path }) => path);
  for (const [i, path] of paths.entries()) {
    const other = paths.findIndex((p, j) => j !== i && (p === path ? j < i : p.startsWith(inside(path))));
    if (other >= 0)
      yield `outboxes[${i}].path: ${path} contains or equals outboxes[${other}].path; a file belongs to one outbox`;
    if (config.state.dir === path || config.state.dir.startsWith(inside(path)))
      yield `state.dir: ${config.state.dir} lies inside the outbox ${path}; put it elsewhere`;
  }
}

/** Without `auto`, which takes what there is. */
const namedSources = (source: Config['credentials']['source']): readonly string[] =>
  typeof source === 'string' ? [source] : source;

function* findInboxContradictions({ inbox, thing, outboxes, state }: Config): Generator<string> {
  const { dir, prefix, archivePrefix } = inbox;
  if (dir === undefined) return;
  for (const [name, value] of Object.entries({ prefix, archivePrefix }))
    if (value.includes('{thing}') && thing.name === undefined)
      yield `inbox.${name}: {thing} is not known; set thing.name, or write the prefix without it`;
  if (archivePrefix.startsWith(prefix))
    yield `inbox.archivePrefix: ${archivePrefix} lies inside the inbox ${prefix}, what is archived would come again; choose another`;
  for (const [i, { path }] of outboxes.entries())
    if (`${dir}/`.startsWith(inside(path)) || path.startsWith(inside(dir)))
      yield `inbox.dir: ${dir} and outboxes[${i}].path ${path} lie in one another, what comes down would go up again; put one elsewhere`;
  if (`${dir}/`.startsWith(inside(state.dir))) yield `inbox.dir: ${dir} lies in state.dir; put it elsewhere`;
}

function* findJobsContradictions({ jobs, thing, outboxes, state, s3 }: Config): Generator<string> {
  const { dir, uploadRoots } = jobs;
  if ((dir !== undefined || uploadRoots.length > 0) && thing.name === undefined)
    yield 'thing.name: missing; jobs are sent to a thing';
  if (uploadRoots.length > 0 && s3.bucket === undefined)
    yield 's3.bucket: missing; name the bucket that files of jobs.uploadRoots go to';
  for (const [i, root] of uploadRoots.entries())
    for (const [name, secret] of Object.entries({
      'state.dir': state.dir,
      'thing.privateKeyFile': thing.privateKeyFile,
    }))
      if (secret !== undefined && (`${secret}/`.startsWith(inside(root)) || root.startsWith(inside(secret))))
        yield `jobs.uploadRoots[${i}]: ${root} holds, or lies in, ${name} (${secret}), which is to stay on the device; name a folder without it`;
  if (dir === undefined) return;
  for (const [i, { path }] of outboxes.entries())
    if (`${dir}/`.startsWith(inside(path)) || path.startsWith(inside(dir)))
      yield `jobs.dir: ${dir} and outboxes[${i}].path ${path} lie in one another, what comes down would go up again; put one elsewhere`;
  if (`${dir}/`.startsWith(inside(state.dir))) yield `jobs.dir: ${dir} lies in state.dir; put it elsewhere`;
}

const inside = (folder: string): string => (folder.endsWith('/') ? folder : `${folder}/`);

function explain(issue: z.core.$ZodIssue): string {
  const where = issue.path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`))
    .join('');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .map((key) => `  ${where}${where && '.'}${key}: no such setting; see the configuration reference in README.md`)
      .join('\n');
  }
  return `  ${where}: ${issue.message}`;
}
