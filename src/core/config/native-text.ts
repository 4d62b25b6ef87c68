import type { Config } from './config.ts';
import type { Json } from './json-text.ts';
import type { NativeKey } from './native-key.ts';
import { NATIVE_KEYS, NATIVE_PATHS, NATIVE_SECTIONS, sectionOf } from './native-keys.ts';
import type { NativePath } from './native-keys.ts';

/**
 * Any configuration as a native file that means the same, every key written out: the translation
 * of a Mesos-DNS file that `check-config` prints. Secrets are masked, so they must be put back.
 */
export function formatNativeConfig(config: Config): string {
  const sections = new Map<string, Record<string, Json>>([['', {}]]);
  for (const path of NATIVE_PATHS) {
    const section = openSection(sectionOf(path), config, sections);
    if (section !== null) writeKey(path, config, section);
  }
  return `${JSON.stringify(sections.get(''), null, 2)}\n`;
}

/** The object of a section, made when its first key comes by; null if `config` has no such part. */
function openSection(
  path: string,
  config: Config,
  sections: Map<string, Record<string, Json>>,
): Record<string, Json> | null {
  const open = sections.get(path);
  if (open !== undefined) return open;
  const parent = openSection(sectionOf(path), config, sections);
  if (parent === null || NATIVE_SECTIONS[path]?.of?.(config) === false) return null;
  const section: Record<string, Json> = {};
  parent[path.slice(path.lastIndexOf('.') + 1)] = section;
  sections.set(path, section);
  return section;
}

function writeKey(path: NativePath, config: Config, section: Record<string, Json>): void {
  const key: NativeKey<unknown> = NATIVE_KEYS[path];
  const value = key.of(config);
  if (value !== undefined) section[path.slice(path.lastIndexOf('.') + 1)] = key.type.write(value);
}
