import { parseArgs } from 'node:util';
import { destinationKey } from '../core/ipvs/table.ts';
import { type VipListEntry, vipList } from '../core/views/vips-view.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { printLosses, readSavedState } from './saved-state.ts';

/** `hoplite show-vips`: the pure path from a saved state to its VIPs and their backends. */
export async function showVips(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      state: { type: 'string', short: 's' },
      config: { type: 'string', short: 'c' },
      json: { type: 'boolean' },
    },
  });
  if (values.state === undefined) throw new UsageError('show-vips needs --state FILE');
  const saved = await readSavedState({ state: values.state, config: values.config });
  if (!saved.ok) return saved.error;
  const { config, generation } = saved.value;
  const vips = vipList(generation.vips, config.dns.domain);
  if (values.json === true) process.stdout.write(`${JSON.stringify(vips, null, 2)}\n`);
  else process.stdout.write(vipTable(vips));
  printLosses(saved.value);
  if (vips.length === 0) {
    const why = config.vip.enabled
      ? 'no running task declares one'
      : 'vip.enabled is false in the configuration';
    process.stderr.write(`no VIPs: ${why}\n`);
  }
  return EXIT.OK;
}

const HEADINGS = ['NAME', 'ADDRESS', 'PORT', 'SCHEDULER', 'BACKENDS'];

/** The table for people: one line for each backend, the first beside its VIP. '' for no VIPs. */
export function vipTable(vips: readonly VipListEntry[]): string {
  if (vips.length === 0) return '';
  const rows = vips.flatMap((vip) => {
    const { fqdn, address, port, protocol, scheduler, backends } = vip;
    const head = [fqdn ?? '-', address, `${port}/${protocol}`, scheduler];
    const targets = backends.map(
      (backend) => `${destinationKey(backend)} weight ${backend.weight}`,
    );
    return [
      [...head, targets[0] ?? '-'],
      ...targets.slice(1).map((each) => ['', '', '', '', each]),
    ];
  });
  return alignColumns([HEADINGS, ...rows]);
}

function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = HEADINGS.map((_, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}
