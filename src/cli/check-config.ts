import { parseArgs } from 'node:util';
import { configSchema } from '../core/config/config-schema.ts';
import { formatNativeConfig } from '../core/config/native-text.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { formatProblems, loadConfig } from './load-config.ts';

/** `hoplite check-config`: all problems on standard error, the meaning on standard output. */
export async function checkConfig(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { config: { type: 'string', short: 'c' }, schema: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.schema === true) {
    process.stdout.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
    return EXIT.OK;
  }
  const files = values.config === undefined ? positionals : [values.config, ...positionals];
  const [file] = files;
  if (file === undefined || files.length > 1) throw new UsageError('check-config takes one FILE');
  const loaded = await loadConfig(file);
  process.stderr.write(formatProblems(loaded));
  if (loaded.config === null) return EXIT.CONFIG;
  const format = loaded.config.format === 'native' ? 'native' : 'Mesos-DNS';
  process.stderr.write(`${loaded.file}: good (${format} format); as a native file:\n`);
  process.stdout.write(formatNativeConfig(loaded.config));
  return EXIT.OK;
}
