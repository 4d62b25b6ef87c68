import type { EventEmitter } from 'node:events';
import type { DaemonLog } from '../adapters/log.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** What can be run until a signal. */
export interface Runnable {
  start(): Promise<void>;
  /** False if something could not be closed, which is in the log. */
  stop(): Promise<boolean>;
}

/** What signals come from; each is emitted by its name, which is the argument too. */
export type SignalSource = Pick<EventEmitter, 'on'>;

/** All must be closed by then; longer means a bug, and systemd would wait for its own limit. */
const STOP_DEADLINE_MS = 5_000;

/**
 * Starts `runnable`, then waits for SIGTERM or SIGINT and stops it. SIGHUP calls `onHangup`, one at
 * a time. A second stop signal of the same source ends the process at once; those of different
 * sources are one signal that came on two ways. A broken invariant anywhere ends the process with EXIT.BUG after the log is written.
 */
export async function untilStopped(
  log: DaemonLog,
  runnable: Runnable,
  onHangup: () => Promise<void>,
  sources: readonly SignalSource[] = [process],
): Promise<ExitCode> {
  process.on('uncaughtException', (err) => {
    log.error('bug', { err });
    log.flush();
    process.exit(EXIT.BUG);
  });
  let hangups: Promise<void> = Promise.resolve();
  let stopping = false;
  for (const source of sources) {
    source.on('SIGHUP', () => {
      if (stopping) return;
      hangups = hangups.then(onHangup).catch((err: unknown) => log.error('reload-failed', { err }));
    });
  }
  const stopSignal = firstStopSignal(sources);
  await runnable.start();
  const signal = await stopSignal;
  stopping = true;
  log.info('stopping', { signal });
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

function firstStopSignal(sources: readonly SignalSource[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const source of sources) {
      let count = 0;
      const stop = (signal: NodeJS.Signals): void => {
        if (++count > 1) process.exit(EXIT.FAILED);
        resolve(signal);
      };
      source.on('SIGTERM', stop);
      source.on('SIGINT', stop);
    }
  });
}
