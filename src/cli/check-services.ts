import { parseArgs } from 'node:util';
import { readServicesFile } from '../adapters/services-file.ts';
import { parseServices } from '../core/services/parse-services.ts';
import { servicesJson } from '../core/services/static-service.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { formatProblems } from './load-config.ts';

/** `hoplite check-services`: problems on standard error, the services that count on standard output. */
export async function checkServices(args: readonly string[]): Promise<ExitCode> {
  const { positionals } = parseArgs({ args: [...args], options: {}, allowPositionals: true });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    throw new UsageError('check-services takes one FILE');
  }
  const read = await readServicesFile(file);
  if (!read.ok) {
    process.stderr.write(`error: ${file}: ${read.error}\n`);
    return EXIT.CONFIG;
  }
  const { services, problems } = parseServices(read.value);
  process.stderr.write(formatProblems({ problems, file }));
  if (services === null) return EXIT.CONFIG;
  process.stdout.write(`${JSON.stringify(servicesJson(services), null, 2)}\n`);
  const isGood = problems.every(({ severity }) => severity !== 'error');
  return isGood ? EXIT.OK : EXIT.CONFIG;
}
