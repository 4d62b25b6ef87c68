import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Config } from '../core/config/config.ts';
import { KeeperLink } from '../daemon/kernel/keeper-link.ts';
import type { KeeperReply, KeeperRequest } from '../daemon/kernel/keeper-protocol.ts';
import { forkKernelChild } from '../daemon/kernel/kernel-child.ts';
import { KernelRelay } from '../daemon/kernel/kernel-relay.ts';
import { EXIT } from './exit-code.ts';

/** In the environment of a daemon that a keeper started. */
const KEPT = 'HOPLITE_KEPT';
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** A kept daemon's connection to its keeper. */
export interface KeeperConnection {
  readonly keeper: KeeperLink;
  /** Resolves when the keeper is gone, though nobody closed the connection. */
  readonly keeperGone: Promise<void>;
  close(): void;
}

/** Whether a daemon with this configuration programs the kernel. */
export function usesKernel({ vip, kernel }: Config): boolean {
  return vip.enabled && kernel.enabled;
}

/** Whether this process was started by a keeper. */
export function isKept(): boolean {
  return process.env[KEPT] !== undefined;
}

/**
 * Becomes the keeper: runs this program again behind `command`, which takes CAP_NET_ADMIN from it,
 * starts its kernel processes, which have it, and passes signals on. Ends as the daemon ends. It
 * has all the rights and so hears nobody but the two, and does nothing else.
 */
export function runKeeper(
  [command, ...words]: readonly [string, ...string[]],
  args: readonly string[],
): Promise<never> {
  // Would open a debugger, through which the daemon could use our rights.
  process.on('SIGUSR1', () => undefined);
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const daemon = spawn(command, [...words, process.execPath, ...process.execArgv, main, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, [KEPT]: '1' },
  });
  const send = (message: KeeperReply, onSent: () => void): void => {
    if (daemon.connected) daemon.send(message, onSent);
  };
  const relay = new KernelRelay({ startChild: forkKernelChild, send });
  daemon.on('message', (message: KeeperRequest) => relay.hear(message));
  for (const signal of SIGNALS) {
    // Not as a signal: those of a terminal or of systemd may have reached the daemon as well, and
    // have to be told from a second one, which ends it at once.
    process.on(signal, () => send({ kind: 'signal', signal }, () => undefined));
  }
  return new Promise(() => {
    daemon.on('error', ({ message }) => {
      process.stderr.write(`hoplite: the daemon cannot be started: ${message}\n`);
      if (daemon.pid === undefined) process.exit(EXIT.FAILED);
    });
    daemon.once('exit', (code, signal) => {
      // A kernel process ends by itself when this one is gone.
      process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** In a kept daemon, for its whole life; null if the keeper is gone already. */
export function connectToKeeper(): KeeperConnection | null {
  if (!process.connected) return null;
  const keeper = new KeeperLink((message) => {
    // Of a keeper that is gone `disconnect` tells.
    process.send?.(message, undefined, undefined, () => undefined);
  });
  process.on('message', (message: KeeperReply) => {
    // As long as nobody listens, a signal does what it does to any process.
    if (!keeper.hear(message) && message.kind === 'signal') {
      process.kill(process.pid, message.signal);
    }
  });
  let isClosed = false;
  const keeperGone = new Promise<void>((resolve) => {
    process.once('disconnect', () => {
      if (!isClosed) resolve();
    });
  });
  return {
    keeper,
    keeperGone,
    close() {
      isClosed = true;
      if (process.connected) process.disconnect();
    },
  };
}
