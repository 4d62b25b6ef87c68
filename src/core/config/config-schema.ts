import type { Json } from './json-text.ts';
import type { NativeKey } from './native-key.ts';
import { NATIVE_KEYS, NATIVE_PATHS, NATIVE_SECTIONS, sectionOf } from './native-keys.ts';
import type { NativePath } from './native-keys.ts';
import type { JsonSchema } from './value-type.ts';

/** JSON Schema (2020-12) of the native format, made from the table that the parser reads by. */
export function configSchema(): JsonSchema {
  const { properties, ...root } = sectionSchema('');
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'hoplite configuration',
    ...root,
    properties: { $schema: { type: 'string' }, ...(properties as JsonSchema) },
  };
}

function sectionSchema(section: string): JsonSchema {
  const properties: Record<string, Json> = {};
  for (const path of NATIVE_PATHS) {
    const child = childOf(section, path);
    if (child === null) continue;
    properties[child.name] ??= child.isKey ? keySchema(path) : sectionSchema(child.path);
  }
  const { description = '', rules = {} } = NATIVE_SECTIONS[section] ?? {};
  return {
    description,
    type: 'object',
    properties,
    additionalProperties: false,
    ...rules,
  };
}

/** The member of `section` that is `path` or leads to it; null if there is none. */
function childOf(
  section: string,
  path: NativePath,
): { name: string; path: string; isKey: boolean } | null {
  let child: string = path;
  while (child !== '' && sectionOf(child) !== section) child = sectionOf(child);
  if (child === '') return null;
  return { name: child.slice(child.lastIndexOf('.') + 1), path: child, isKey: child === path };
}

function keySchema(path: NativePath): JsonSchema {
  const key: NativeKey<unknown> = NATIVE_KEYS[path];
  const { description, type, default: value } = key;
  return {
    description,
    ...type.schema,
    ...(value === undefined ? {} : { default: type.write(value) }),
  };
}
