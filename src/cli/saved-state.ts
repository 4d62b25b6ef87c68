import { readFileSync } from 'node:fs';
import { readServicesFile } from '../adapters/services-file.ts';
import { parseIpAddress } from '../core/base/address.ts';
import { assert } from '../core/base/assert.ts';
import { formatHostPort } from '../core/base/host-port.ts';
import { RejectionList } from '../core/base/rejection.ts';
import { err, ok, type Result } from '../core/base/result.ts';
import { hostNames } from '../core/catalog/catalog.ts';
import type { Config } from '../core/config/config.ts';
import { parseConfig } from '../core/config/parse-config.ts';
import { type Generation, nextGeneration } from '../core/generation.ts';
import { parseAnyState } from '../core/mesos/parse-get-state.ts';
import type { ClusterSnapshot } from '../core/mesos/snapshot.ts';
import { parseServices } from '../core/services/parse-services.ts';
import {
  rejectServices,
  ServiceFrameworks,
  withServices,
} from '../core/services/service-frameworks.ts';
import { type ZoneSettings, zoneSettings } from '../core/views/zone-view.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { formatProblems, loadConfig } from './load-config.ts';

/** What a saved state of a cluster gives with a configuration. */
export interface SavedState {
  readonly config: Config;
  readonly settings: ZoneSettings;
  readonly generation: Generation;
}

/** Where the two come from: paths, `-` for standard input; no `config`: the native defaults. */
export interface SavedStateFiles {
  readonly state: string;
  readonly config: string | undefined;
}

/** What a state without a leader, an operator API's, is taken to come from. */
const UNKNOWN_LEADER = { host: 'leader.mesos', port: 5050 };

/**
 * The pure path from files to a generation, as the daemon goes it: a master's `/state` or the
 * operator API's `GET_STATE`, and the services file of the configuration. What is wrong is told on
 * standard error; host names are not looked up.
 */
export async function readSavedState(
  files: SavedStateFiles,
): Promise<Result<SavedState, ExitCode>> {
  const body = readState(files.state);
  if (body === null) return err(EXIT.FAILED);
  const configured = files.config === undefined ? null : await loadConfig(files.config);
  if (configured !== null) process.stderr.write(formatProblems(configured));
  if (configured?.config === null) return err(EXIT.CONFIG);
  const rejections = new RejectionList();
  const leader = configured?.config.cluster.masters[0] ?? UNKNOWN_LEADER;
  const parsed = parseAnyState(body, leader, rejections);
  if (!parsed.ok) {
    process.stderr.write(`hoplite: ${files.state}: ${parsed.error}\n`);
    return err(EXIT.FAILED);
  }
  const config = configured?.config ?? defaultConfig(formatHostPort(parsed.value.leader));
  const merged = await withServicesFile(parsed.value, config.cluster.servicesFile, rejections);
  if (!merged.ok) return merged;
  const snapshot = merged.value;
  const listening = config.dns.listen.flatMap(({ address }) => parseIpAddress(address) ?? []);
  const settings = zoneSettings(config, listening);
  const generation = nextGeneration(null, { snapshot, rejections }, new Map(), settings, 1);
  return ok({ config, settings, generation });
}

/** Where the daemon would wait for a file that is missing or bad, this says so and ends. */
async function withServicesFile(
  snapshot: ClusterSnapshot,
  file: string | null,
  rejections: RejectionList,
): Promise<Result<ClusterSnapshot, ExitCode>> {
  if (file === null) return ok(snapshot);
  const read = await readServicesFile(file);
  if (!read.ok) {
    process.stderr.write(`hoplite: ${file}: ${read.error}\n`);
    return err(EXIT.FAILED);
  }
  const { services, problems } = parseServices(read.value);
  if (services === null) {
    process.stderr.write(formatProblems({ problems, file }));
    return err(EXIT.CONFIG);
  }
  rejectServices(problems, rejections);
  return ok(withServices(snapshot, new ServiceFrameworks().of(services, new Map(), rejections)));
}

/** Lists on standard error what the generation lacks of the state, and why. */
export function printLosses({ config, generation }: SavedState): void {
  const { items, total } = generation.rejections;
  for (const { path, code, value } of items) {
    process.stderr.write(`rejected: ${path}: ${code}: ${JSON.stringify(value)}\n`);
  }
  if (total > items.length) process.stderr.write(`rejected: ${total - items.length} more\n`);
  for (const name of hostNames(generation.snapshot, config.cluster.masters)) {
    if (name !== UNKNOWN_LEADER.host) process.stderr.write(`not looked up: ${name}\n`);
  }
}

/** The given file's configuration, or the defaults with nothing configured but a master. */
export async function configOrDefaults(
  path: string | undefined,
): Promise<Result<Config, ExitCode>> {
  if (path === undefined) return ok(defaultConfig(formatHostPort(UNKNOWN_LEADER)));
  const loaded = await loadConfig(path);
  process.stderr.write(formatProblems(loaded));
  return loaded.config === null ? err(EXIT.CONFIG) : ok(loaded.config);
}

function defaultConfig(leader: string): Config {
  const { config } = parseConfig(JSON.stringify({ cluster: { masters: [leader] } }), '');
  assert(config !== null, 'the defaults are a good configuration');
  return config;
}

function readState(path: string): Buffer | null {
  try {
    return readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`hoplite: cannot read ${path}: ${reason}\n`);
    return null;
  }
}
