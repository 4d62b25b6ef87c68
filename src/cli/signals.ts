import type { DaemonLog } from '../adapters/log.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** What can be run until a signal. */
export interface Runnable {
  start(): Promise<void>;
  /** False if something could not be closed, which is in the log. */
  stop(): Promise<boolean>;
}

/** All must be closed by then; longer means a bug, and systemd would wait for its own limit. */
const STOP_DEADLINE_MS = 5_000;

/**
 * Starts `runnable`, then waits for SIGTERM or SIGINT and stops it. SIGHUP calls `onHangup`, one at
 * a time. A broken invariant anywhere ends the process with EXIT.BUG after the log is written.
 */
export async function untilStopped(
  log: DaemonLog,
  runnable: Runnable,
  onHangup: () => Promise<void>,
): Promise<ExitCode> {
  process.on('uncaughtException', (err) => {
    log.error('bug', { err });
    log.flush();
    process.exit(EXIT.BUG);
  });
  let hangups: Promise<void> = Promise.resolve();
  let stopping = false;
  process.on('SIGHUP', () => {
    if (stopping) return;
    hangups = hangups.then(onHangup).catch((err: unknown) => log.error('reload-failed', { err }));
  });
  const stopSignal = nextStopSignal();
  await runnable.start();
  const signal = await stopSignal;
  stopping = true;
  log.info('stopping', { signal });
  void nextStopSignal().then(() => process.exit(EXIT.FAILED));
  setTimeout(() => {
    log.error('stop-timeout', { deadlineMs: STOP_DEADLINE_MS });
    log.flush();
    process.exit(EXIT.FAILED);
  }, STOP_DEADLINE_MS).unref();
  const clean = await runnable.stop();
  // Not flushed: that could overtake the lines before it, which the system still has.
  log.info('stopped');
  return clean ? EXIT.OK : EXIT.FAILED;
}

function nextStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      resolve(signal);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}
