import { parseArgs } from 'node:util';
import { zoneApexes } from '../core/views/table-records.ts';
import { zoneFile } from '../core/views/zone-file.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { printLosses, readSavedState } from './saved-state.ts';

/** `hoplite show-records`: the pure path from a saved state to a zone file. */
export async function showRecords(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      state: { type: 'string', short: 's' },
      config: { type: 'string', short: 'c' },
      zone: { type: 'string', short: 'z' },
    },
  });
  if (values.state === undefined) throw new UsageError('show-records needs --state FILE');
  const saved = await readSavedState({ state: values.state, config: values.config });
  if (!saved.ok) return saved.error;
  const { settings, generation } = saved.value;
  const apexes = zoneApexes(generation.table);
  const apex = values.zone === undefined ? apexes[0] : findZone(apexes, values.zone);
  if (apex === undefined) {
    process.stderr.write(
      `hoplite: there is no zone ${values.zone ?? ''}; the zones are ${apexes.join(' ')}\n`,
    );
    return EXIT.FAILED;
  }
  process.stdout.write(zoneFile(generation.table, settings, apex));
  printLosses(saved.value);
  return EXIT.OK;
}

/** The zone of a name that people write: in any case, with or without final dot. */
function findZone(apexes: readonly string[], text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '');
  return apexes.find((apex) => apex === `${name}.`);
}
