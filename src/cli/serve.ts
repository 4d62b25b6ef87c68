import { parseArgs } from 'node:util';
import { commandWithoutNetAdmin, hasNetAdmin } from '../adapters/capabilities.ts';
import { isRegularFile, readConfigFile } from '../adapters/config-file.ts';
import { err, type Result } from '../core/base/result.ts';
import { parseConfig } from '../core/config/parse-config.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { connectToKeeper, isKept, runKeeper, usesKernel } from './keeper.ts';

/**
 * `hoplite serve`: runs until it is told to stop. Where it has CAP_NET_ADMIN and use for it, this
 * process becomes a keeper, and the daemon is a child of it without that right.
 */
export async function serve(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: 'string', short: 'c' } },
  });
  const { config: file } = values;
  if (file === undefined) throw new UsageError('serve needs --config FILE');
  if (isKept()) return serveKept(file);
  const command = await commandForKept(file);
  if (command?.ok === true) return runKeeper(command.value, ['serve', ...args]);
  const { runDaemon } = await import('./run-daemon.ts');
  return runDaemon(file, command === null ? {} : { sharedBecause: command.error });
}

async function serveKept(file: string): Promise<ExitCode> {
  const connection = connectToKeeper();
  if (connection === null) {
    process.stderr.write('hoplite: the process that started this one is gone\n');
    return EXIT.FAILED;
  }
  const { runDaemon } = await import('./run-daemon.ts');
  try {
    return await runDaemon(file, connection);
  } finally {
    connection.close();
  }
}

/** What the command of a kept daemon begins with, or why there can be none; null: no use for one. */
async function commandForKept(
  file: string,
): Promise<Result<readonly [string, ...string[]], string> | null> {
  if (!hasNetAdmin()) return null;
  if (!(await isRegularFile(file))) {
    return err('the configuration cannot be read twice: put it into a regular file');
  }
  const read = await readConfigFile(file);
  // What is wrong with it is the daemon's to say.
  if (!read.ok) return null;
  const { config } = parseConfig(read.value.text, read.value.file);
  return config !== null && usesKernel(config) ? commandWithoutNetAdmin() : null;
}
