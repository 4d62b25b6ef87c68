import { deserialize, serialize } from 'node:v8';
import { KeeperLink } from '../../src/daemon/kernel/keeper-link.ts';
import type { StartKernelChild } from '../../src/daemon/kernel/kernel-child.ts';
import { KernelRelay } from '../../src/daemon/kernel/kernel-relay.ts';

/** What `startChild` starts, by way of a keeper in this process; messages travel as between two. */
export function joinKeeper(startChild: StartKernelChild): StartKernelChild {
  const copy = <T>(message: T): T => deserialize(serialize(message)) as T;
  const link = new KeeperLink((message) => setImmediate(() => relay.hear(copy(message))));
  const relay: KernelRelay = new KernelRelay({
    startChild,
    send: (message, onSent) => {
      setImmediate(() => {
        onSent();
        link.hear(copy(message));
      });
    },
  });
  return link.startChild;
}
