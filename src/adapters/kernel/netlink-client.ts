import { DaemonError } from '../../core/base/daemon-error.ts';
import type { NetlinkRequest } from '../../core/netlink/message.ts';
import {
  BATCH_MAX,
  type NetlinkReply,
  type NetlinkSocket,
  openNetlinkSocket,
} from './netlink-socket.ts';

/** Two sockets of one netlink protocol, as a list under way takes a socket for itself. */
export interface NetlinkClient {
  /** Makes changes in their order; error number of each, 0 for done. */
  change(requests: readonly NetlinkRequest[]): Promise<readonly number[]>;
  ask(request: NetlinkRequest): Promise<NetlinkReply>;
  dump(request: NetlinkRequest): Promise<NetlinkReply>;
  close(): void;
}

/** Opens sockets when they are needed, and new ones after a failure. */
export function createNetlinkClient(protocol: number, timeoutMs: number): NetlinkClient {
  const requests = keepSocket(() =>
    openNetlinkSocket({ protocol, purpose: 'requests', timeoutMs }),
  );
  const dumps = keepSocket(() => openNetlinkSocket({ protocol, purpose: 'dumps', timeoutMs }));
  return {
    async change(changes) {
      const errnos: number[] = [];
      for (let i = 0; i < changes.length; i += BATCH_MAX) {
        const socket = await requests.get();
        errnos.push(...(await socket.change(changes.slice(i, i + BATCH_MAX))));
      }
      return errnos;
    },
    ask: async (request) => (await requests.get()).ask(request),
    dump: async (request) => (await dumps.get()).dump(request),
    close() {
      requests.close();
      dumps.close();
    },
  };
}

interface SocketKeeper {
  get(): Promise<NetlinkSocket>;
  close(): void;
}

function keepSocket(open: () => Promise<NetlinkSocket>): SocketKeeper {
  let current: NetlinkSocket | null = null;
  let opening: Promise<NetlinkSocket> | null = null;
  let closed = false;
  const reopen = async (): Promise<NetlinkSocket> => {
    try {
      const socket = await open();
      if (closed) {
        socket.close();
        throw new DaemonError('kernel-failed', 'the netlink client was closed');
      }
      current = socket;
      return socket;
    } finally {
      opening = null;
    }
  };
  return {
    async get() {
      if (closed) throw new DaemonError('kernel-failed', 'the netlink client was closed');
      if (current?.isOpen) return current;
      opening ??= reopen();
      return opening;
    },
    close() {
      closed = true;
      current?.close();
    },
  };
}
