import { readConfigFile } from '../adapters/config-file.ts';
import { loadMarathonFiles } from '../adapters/mesos/marathon-client.ts';
import { loadMasterFiles } from '../adapters/mesos/master-client.ts';
import type { Config, ConfigProblem } from '../core/config/config.ts';
import { parseConfig } from '../core/config/parse-config.ts';
import type { SourceFiles } from '../daemon/source/source-plane.ts';

/** What a configuration that can be run consists of. */
export interface RunnableConfig {
  readonly config: Config;
  /** What the files hold that `config` names. */
  readonly files: SourceFiles;
}

/** A configuration that can be run, or nulls, with everything there is to say about it. */
export type LoadedConfig = (RunnableConfig | { readonly config: null; readonly files: null }) &
  LoadReport;

/** What there is to say about a configuration file. */
export interface LoadReport {
  readonly problems: readonly ConfigProblem[];
  /** Absolute path. */
  readonly file: string;
}

/** Reads a file of either format and the files it names; reports all problems at once. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  const read = await readConfigFile(path);
  if (!read.ok) return { config: null, files: null, problems: [read.error], file: path };
  const { text, file } = read.value;
  const { config, problems } = parseConfig(text, file);
  if (config === null) return { config, files: null, problems, file };
  const files = loadMasterFiles(config.cluster, config.format);
  const { marathon } = config.cluster;
  const marathonFiles = marathon === null ? null : loadMarathonFiles(marathon, config.format);
  if (files.ok && (marathonFiles === null || marathonFiles.ok)) {
    const loaded = { ...files.value, marathon: marathonFiles?.value ?? null };
    return { config, files: loaded, problems, file };
  }
  const more = [files, marathonFiles].flatMap((one) => (one === null || one.ok ? [] : one.error));
  return { config: null, files: null, problems: [...problems, ...more], file };
}

/** One line a problem, errors first: `error: FILE: dns.listen[0]: …`. */
export function formatProblems({ problems, file }: LoadReport): string {
  const order = { error: 0, warning: 1 };
  return [...problems]
    .sort((a, b) => order[a.severity] - order[b.severity])
    .map(({ severity, path, message }) => {
      const where = path === '' ? file : `${file}: ${path}`;
      return `${severity}: ${where}: ${message}\n`;
    })
    .join('');
}
