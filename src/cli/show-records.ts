import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { formatHostPort } from '../core/base/host-port.ts';
import { RejectionList } from '../core/base/rejection.ts';
import { hostNames } from '../core/catalog/catalog.ts';
import type { Config } from '../core/config/config.ts';
import { parseConfig } from '../core/config/parse-config.ts';
import { nextGeneration } from '../core/generation.ts';
import { parseState } from '../core/mesos/parse-state.ts';
import { zoneFile } from '../core/views/zone-file.ts';
import { zoneSettings } from '../core/views/zone-view.ts';
import { assert } from '../core/base/assert.ts';
import { parseIpAddress } from '../core/base/address.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { formatProblems, loadConfig } from './load-config.ts';

/** `hoplite show-records`: the pure path from a saved state to a zone file. */
export async function showRecords(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      state: { type: 'string', short: 's' },
      config: { type: 'string', short: 'c' },
    },
  });
  if (values.state === undefined) throw new UsageError('show-records needs --state FILE');
  const text = readState(values.state);
  if (text === null) return EXIT.FAILED;
  const rejections = new RejectionList();
  const parsed = parseState(text, rejections);
  if (!parsed.ok) {
    process.stderr.write(`hoplite: ${values.state}: ${parsed.error}\n`);
    return EXIT.FAILED;
  }
  const config = await configFor(values.config, formatHostPort(parsed.value.leader));
  if (config === null) return EXIT.CONFIG;
  const listening = config.dns.listen.flatMap(({ address }) => parseIpAddress(address) ?? []);
  const settings = zoneSettings(config, listening);
  const read = { snapshot: parsed.value, rejections };
  const generation = nextGeneration(null, read, new Map(), settings, 1);
  process.stdout.write(zoneFile(generation.table, settings));
  for (const { path, code, value } of generation.rejections.items) {
    process.stderr.write(`rejected: ${path}: ${code}: ${JSON.stringify(value)}\n`);
  }
  for (const name of hostNames(parsed.value, config.cluster.masters)) {
    process.stderr.write(`not looked up: ${name}\n`);
  }
  return EXIT.OK;
}

function readState(path: string): string | null {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`hoplite: cannot read ${path}: ${reason}\n`);
    return null;
  }
}

/** The given file's configuration, or the native defaults with the state's leader as master. */
async function configFor(path: string | undefined, leader: string): Promise<Config | null> {
  if (path === undefined) {
    const { config } = parseConfig(JSON.stringify({ cluster: { masters: [leader] } }), '');
    assert(config !== null, 'the defaults are a good configuration');
    return config;
  }
  const loaded = await loadConfig(path);
  process.stderr.write(formatProblems(loaded));
  return loaded.config;
}
