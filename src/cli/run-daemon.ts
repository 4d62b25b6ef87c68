import { systemClock } from '../adapters/clock.ts';
import { createLog } from '../adapters/log.ts';
import type { ConfigProblem } from '../core/config/config.ts';
import type { Log } from '../core/ports.ts';
import { Daemon } from '../daemon/daemon.ts';
import type { KeeperLink } from '../daemon/kernel/keeper-link.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { usesKernel } from './keeper.ts';
import { formatProblems, loadConfig } from './load-config.ts';
import { untilStopped } from './signals.ts';

/** Who else is there. */
export interface DaemonSurroundings {
  /** Starts the kernel process, which this process has no right to. */
  readonly keeper?: KeeperLink;
  /** Resolves when the keeper is gone. */
  readonly keeperGone?: Promise<void>;
  /** Why this process has the right to change the kernel, which only a kernel process needs. */
  readonly sharedBecause?: string;
}

/** Runs the daemon until it is told to stop, or its keeper is gone. */
export async function runDaemon(
  file: string,
  { keeper, keeperGone, sharedBecause }: DaemonSurroundings,
): Promise<ExitCode> {
  const loaded = await loadConfig(file);
  if (loaded.config === null) {
    process.stderr.write(formatProblems(loaded));
    return EXIT.CONFIG;
  }
  const { config, files } = loaded;
  const log = createLog({ level: config.log.level });
  logProblems(log, loaded.problems);
  if (sharedBecause !== undefined && usesKernel(config)) {
    log.warn('capability-shared', { capability: 'CAP_NET_ADMIN', why: sharedBecause });
  }
  // Whoever starts hoplite next needs the ports now, and nobody is left to tell this one to stop.
  void keeperGone?.then(() => {
    log.error('keeper-gone');
    log.flush();
    process.exit(EXIT.FAILED);
  });
  const startKernelChild = keeper?.startChild;
  const stateDirectory = process.env['STATE_DIRECTORY'];
  const daemon = new Daemon(config, {
    clock: systemClock,
    log,
    files,
    stateDirectory,
    startKernelChild,
  });
  const sources = keeper === undefined ? [process] : [process, keeper.signals];
  return untilStopped(log, daemon, () => reload(file, daemon, log), sources);
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
