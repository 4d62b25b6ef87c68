#!/usr/bin/env node
/** The `hoplite` command: picks the subcommand, turns what it throws into an exit code. */
import { DaemonError } from '../core/base/daemon-error.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { helpText } from './help.ts';
import { packageVersion } from '../adapters/package-info.ts';

type Command = (args: readonly string[]) => Promise<ExitCode>;

/** Loaded when asked for: the daemon's packages take longer to load than most commands to run. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  demo: async () => (await import('./demo.ts')).demo,
  'check-config': async () => (await import('./check-config.ts')).checkConfig,
  'check-services': async () => (await import('./check-services.ts')).checkServices,
  'show-records': async () => (await import('./show-records.ts')).showRecords,
  'show-vips': async () => (await import('./show-vips.ts')).showVips,
  'show-plan': async () => (await import('./show-plan.ts')).showPlan,
  cleanup: async () => (await import('./cleanup.ts')).cleanup,
};

async function run(args: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = args;
  if (name === '--version' || name === '-V') return print(`hoplite ${packageVersion()}\n`);
  if (name === '--help' || name === '-h' || name === 'help') {
    return print(helpText(rest[0] ?? null));
  }
  if (name === undefined) throw new UsageError('which command?');
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) throw new UsageError(`there is no command ${JSON.stringify(name)}`);
  if (rest.includes('--help') || rest.includes('-h')) return print(helpText(name));
  const command = await load();
  return command(rest);
}

function print(text: string): ExitCode {
  process.stdout.write(text);
  return EXIT.OK;
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError || isParseArgsError(error)) {
    process.stderr.write(`hoplite: ${error.message}\nSee \`hoplite --help\`.\n`);
    return EXIT.USAGE;
  }
  if (error instanceof DaemonError) {
    process.stderr.write(`hoplite: ${error.message}\n`);
    return EXIT.FAILED;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`hoplite: this is a bug, please report it: ${stack}\n`);
  return EXIT.BUG;
}

/** node:util parseArgs throws TypeErrors with codes of its own. */
function isParseArgsError(error: unknown): error is Error {
  return (
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
  );
}

// A pager that quits early is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exitCode = error.code === 'EPIPE' ? EXIT.OK : EXIT.FAILED;
});
process.exitCode = await run(process.argv.slice(2)).catch(exitCodeOf);
