import { readFileSync } from 'node:fs';

/** Version in our package.json, which stands two folders above the compiled adapters. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
