import { DaemonError } from '../../core/base/daemon-error.ts';

/** `code` of a system error behind its message; messages of Node name address and port. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The connection to a server failed or ended. */
export function unreachable(server: string, reason: unknown): DaemonError {
  return new DaemonError('zookeeper-unreachable', `ZooKeeper ${server}: ${reasonOf(reason)}`, {
    cause: reason,
  });
}

/** A server said something that is not the protocol. */
export function invalid(server: string, reason: string): DaemonError {
  return new DaemonError('zookeeper-invalid', `ZooKeeper ${server} sent ${reason}`);
}
