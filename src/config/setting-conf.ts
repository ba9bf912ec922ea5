import { parse as parseIni } from 'ini';
import { UsageError } from '../domain/errors';

/**
 * The settings file of the published how-to "pull and move": sections [DEVICE] and [AWS], the names as it spells them
 * (FLIE_NAME among them). It names no thing, so the credentials call goes without the thing-name header; the region
 * is read from the endpoint's host. Prefixes come without a trailing slash.
 */
const NAMES = {
  CERT_PATH: ['thing', 'certificateFile'],
  PRIVATE_KEY_PATH: ['thing', 'privateKeyFile'],
  IOT_CREDENTIAL_ENDPOINT: ['credentials', 'roleAlias', 'endpoint'],
  IOT_ROLE_ALIAS: ['credentials', 'roleAlias', 'alias'],
  BUCKET_NAME: ['s3', 'bucket'],
  PREFIX: ['inbox', 'prefix'],
  ANOTHER_PREFIX: ['inbox', 'archivePrefix'],
  FLIE_NAME: ['inbox', 'only'],
} as const;

const SPELLINGS: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ...Object.entries(NAMES),
  ['FILE_NAME', NAMES.FLIE_NAME],
]);

/** @returns settings in the shape of the configuration schema @throws UsageError for a name it does not know */
export function parseSettingConf(text: string, file: string): Record<string, unknown> {
  const settings: Record<string, unknown> = {
    credentials: { source: 'role-alias', roleAlias: { thingNameHeader: false } },
  };
  for (const [section, values] of Object.entries(parseIni(text))) {
    const entries =
      typeof values === 'object' && values !== null ? Object.entries(values as object) : [[section, values]];
    for (const [name, value] of entries as [string, unknown][]) {
      const path = SPELLINGS.get(name.toUpperCase());
      if (path === undefined) {
        throw new UsageError(
          `${file}: no such setting ${name}; this kind of file takes ${Object.keys(NAMES).join(', ')}; for anything else use courier.yaml`,
        );
      }
      if (value !== '') set(settings, path, value);
    }
  }
  // Beside the file, and not among the keys and certificates that lie there.
  if (settings.inbox !== undefined) set(settings, ['inbox', 'dir'], 'inbox');
  return settings;
}

function set(settings: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) {
    settings[name] = value;
    return;
  }
  settings[name] ??= {};
  set(settings[name] as Record<string, unknown>, rest, value);
}
