import type { Config, ConfigProblem } from './config.ts';
import { parseJson } from './json-text.ts';
import { readMesosDnsConfig } from './mesos-dns-config.ts';
import { isMesosDnsKey } from './mesos-dns-file.ts';
import { NATIVE_TOP_LEVEL_KEYS, readNativeConfig } from './native-config.ts';
import { describeKind, ProblemList } from './problem-list.ts';

/** A configuration and what is to be said about it; null if any problem is an error. */
export interface ParsedConfig {
  readonly config: Config | null;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads a configuration file of either format and reports all problems at once. The pipeline:
 * text, JSON with duplicates kept, format by the top-level keys, values by that format's table,
 * rules between keys, `Config`. Never throws; no message contains a secret.
 */
export function parseConfig(text: string, file: string): ParsedConfig {
  const problems = new ProblemList();
  const config = readConfig(text, file, problems);
  return { config, problems: problems.all() };
}

function readConfig(text: string, file: string, problems: ProblemList): Config | null {
  const json = parseJson(text);
  if (!json.ok) {
    const { line, column, message } = json.error;
    problems.error('', `is not JSON at ${line}:${column} (line:column): ${message}`);
    return null;
  }
  const root = json.value;
  if (root.kind !== 'object') {
    problems.error('', `expected a JSON object, found ${describeKind(root)}`);
    return null;
  }
  const keys = root.members.map((member) => member.key);
  const isNative = keys.some((key) => NATIVE_TOP_LEVEL_KEYS.includes(key));
  if (!isNative && keys.some(isMesosDnsKey)) return readMesosDnsConfig(root, file, problems);
  return readNativeConfig(root, file, problems, (key) =>
    isMesosDnsKey(key) ? ', but of Mesos-DNS; a file has the keys of one format only' : null,
  );
}
