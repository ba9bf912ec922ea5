import { readFileSync } from 'node:fs';
import { certificateId } from '../config/load-config';
import type { Config } from '../config/schema';
import { UsageError } from '../domain/errors';
import type { ThingFields } from '../domain/key-template';

/** What keys may say of the thing. @throws UsageError when the certificate is asked for and cannot be read */
export function thingFields(config: Config): ThingFields {
  const { name, type, certificateFile } = config.thing;
  const asked = config.outboxes.some(({ key }) => key.includes('{certificateId}'));
  return {
    ...(name === undefined ? {} : { thing: name }),
    ...(type === undefined ? {} : { thingType: type }),
    ...(asked && certificateFile !== undefined ? { certificateId: readCertificateId(certificateFile) } : {}),
  };
}

function readCertificateId(file: string): string {
  try {
    return certificateId(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new UsageError(
      `{certificateId} needs the certificate ${file}, which cannot be read (${String(cause)}); check thing.certificateFile`,
      { cause },
    );
  }
}
