import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';
import { configSchema } from '../config/schema';

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
}

const README = resolve(__dirname, '../../README.md');
const BEGIN = '<!-- configuration reference: made from src/config/schema.ts -->';
const END = '<!-- end of configuration reference -->';

/** The configuration reference, a table a section, from the schema alone. */
export function configurationReference(): string {
  const schema = z.toJSONSchema(configSchema, { unrepresentable: 'any' }) as JsonSchema;
  return Object.entries(schema.properties ?? {})
    .map(([name, section]) => {
      const list = section.type === 'array';
      const rows = [...rowsOf(list ? (section.items ?? {}) : section, '')];
      const heading = `#### \`${name}\`${list ? ' (a list)' : ''}\n\n${section.description ?? ''}`;
      return rows.length === 0
        ? heading
        : `${heading}\n\n| Setting | Values | Default | |\n|---|---|---|---|\n${rows.join('\n')}`;
    })
    .join('\n\n');
}

/** @returns the README with the reference put in its place */
export function withReference(readme: string): string {
  const [before, after] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`README.md has no place for the reference: ${BEGIN} … ${END}`);
  return `${readme.slice(0, before + BEGIN.length)}\n\n${configurationReference()}\n\n${readme.slice(after)}`;
}

function* rowsOf(section: JsonSchema, prefix: string): Generator<string> {
  for (const [name, setting] of Object.entries(section.properties ?? {})) {
    if (setting.properties !== undefined) {
      yield* rowsOf(setting, `${prefix}${name}.`);
      continue;
    }
    yield `| \`${prefix}${name}\` | ${valuesOf(setting)} | ${defaultOf(setting)} | ${(setting.description ?? '').replaceAll('|', '\\|')} |`;
    if (setting.items?.properties !== undefined) yield* rowsOf(setting.items, `${prefix}${name}[].`);
  }
}

function valuesOf({ type, enum: words, anyOf, minimum, maximum, additionalProperties, items }: JsonSchema): string {
  if (anyOf !== undefined) return anyOf.map(valuesOf).join(', or ');
  if (words !== undefined) return words.map((word) => `\`${word}\``).join(' ');
  if (items?.enum !== undefined) return `a list of ${valuesOf(items)}`;
  if (items !== undefined) return items.properties === undefined ? 'list of texts' : 'list';
  if (type === 'object' && additionalProperties !== undefined) return 'names and texts';
  if (type !== 'integer' && type !== 'number') return type === 'boolean' ? '`true` `false`' : 'text';
  const upTo = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '…' : String(maximum);
  return `${minimum ?? ''} to ${upTo}`;
}

const defaultOf = ({ default: value }: JsonSchema): string =>
  value === undefined ? '' : `\`${typeof value === 'object' ? JSON.stringify(value) : String(value)}\``;

if (require.main === module) writeFileSync(README, withReference(readFileSync(README, 'utf8')));
