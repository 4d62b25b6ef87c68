import { fork } from 'node:child_process';
import type { KernelReply, KernelRequest } from './kernel-protocol.ts';

/** Told of a kernel process, and never within the call that starts it. */
export interface KernelChildEvents {
  onReply(reply: KernelReply): void;
  /** Once, with how it ended; also if it never was. */
  onEnd(why: string): void;
}

/** A kernel process that was started. */
export interface KernelChild {
  /**
   * Calls `onRead` when the process has taken the request in, or will not any more. False: those
   * that it has not taken in yet fill the way to it.
   */
  send(request: KernelRequest, onRead: () => void): boolean;
  /** Lets it end in good order; the kernel stays as it is. */
  close(): void;
  /** Ends it at once. */
  kill(): void;
}

/** Starts a kernel process; throws if the system lacks what that takes. */
export type StartKernelChild = (events: KernelChildEvents) => KernelChild;

/**
 * Keeps SIGUSR1 from opening a debugger before the process can see to that; Node has it since 22.14.
 */
const NO_DEBUGGER: readonly string[] = ['--disable-sigusr1'].filter((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
);

/** Forks a kernel process that has the rights of this one; tests have other files to run. */
export function forkKernelChild(
  events: KernelChildEvents,
  entry: URL = new URL('./kernel-entry.js', import.meta.url),
): KernelChild {
  const child = fork(entry, {
    serialization: 'advanced',
    // Flags of this process, such as an inspector's port, are not for it.
    execArgv: [...NO_DEBUGGER],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  child.on('message', (reply: KernelReply) => events.onReply(reply));
  child.once('exit', (code, signal) => {
    events.onEnd(signal === null ? `exit code ${String(code)}` : `signal ${signal}`);
  });
  child.on('error', (error) => {
    // Without a process there is no `exit`; else it follows, and says more.
    if (child.pid === undefined) events.onEnd(error.message);
  });
  return {
    // Of a channel that is closed the end is heard soon.
    send: (request, onRead) => !child.connected || child.send(request, onRead),
    close() {
      if (child.connected) child.disconnect();
      else child.kill('SIGTERM');
    },
    kill: () => void child.kill('SIGKILL'),
  };
}
