import { parseArgs } from 'node:util';
import { systemClock } from '../adapters/clock.ts';
import { createLog } from '../adapters/log.ts';
import type { ConfigProblem } from '../core/config/config.ts';
import type { Log } from '../core/ports.ts';
import { Daemon } from '../daemon/daemon.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { formatProblems, loadConfig } from './load-config.ts';
import { untilStopped } from './signals.ts';

/** `hoplite serve`: runs until it is told to stop. */
export async function serve(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: 'string', short: 'c' } },
  });
  const { config: file } = values;
  if (file === undefined) throw new UsageError('serve needs --config FILE');
  const loaded = await loadConfig(file);
  if (loaded.config === null) {
    process.stderr.write(formatProblems(loaded));
    return EXIT.CONFIG;
  }
  const log = createLog({ level: loaded.config.log.level });
  logProblems(log, loaded.problems);
  const daemon = new Daemon(loaded.config, { clock: systemClock, log, files: loaded.files });
  return untilStopped(log, daemon, () => reload(file, daemon, log));
}

/** A bad file keeps what runs; a good one is taken over as far as a running daemon can. */
export async function reload(
  file: string,
  daemon: Pick<Daemon, 'reload' | 'countFailedReload'>,
  log: Log,
): Promise<void> {
  const { config, files, problems } = await loadConfig(file);
  logProblems(log, problems);
  if (config === null) {
    daemon.countFailedReload();
    log.error('reload-refused', { file, problems: problems.length });
    return;
  }
  try {
    const needRestart = await daemon.reload(config, files);
    log.info('reloaded', { file });
    if (needRestart.length > 0) log.warn('restart-needed', { settings: needRestart });
  } catch (err) {
    daemon.countFailedReload();
    log.error('reload-refused', { file, err });
  }
}

function logProblems(log: Log, problems: readonly ConfigProblem[]): void {
  for (const { severity, path, message } of problems) {
    log[severity === 'error' ? 'error' : 'warn']('config-problem', { path, message });
  }
}
