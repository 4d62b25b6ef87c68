import { parseIpAddress } from '../../../core/base/address.ts';
import { assert } from '../../../core/base/assert.ts';
import { ok, type Result } from '../../../core/base/result.ts';
import type { SocketAddress } from '../../../core/config/config.ts';
import { type HandedOverQuery, handedOverQueries } from './handed-over.ts';
import { type Libc, loadLibc } from './libc.ts';
import { MessageSender } from './message-sender.ts';
import { openNativeUdpSockets } from './native-udp-socket.ts';
import { SocketGroup } from './socket-group.ts';
import { ThreadControl } from './thread-control.ts';

/** The main thread's side of UDP sockets that threads of their own read. */
export interface NativeUdp {
  /** Opens `threads` sockets on a numeric address; throws `listen-failed`. */
  open(address: SocketAddress, threads: number): SocketGroup;
  openControl(): ThreadControl;
  /** The queries of a batch that a thread has handed over. */
  queries(batch: Uint8Array): Iterable<HandedOverQuery>;
}

/** The error says why this system has to do without. */
export async function loadNativeUdp(): Promise<Result<NativeUdp, string>> {
  const libc = await loadLibc();
  return libc.ok ? ok(createNativeUdp(libc.value)) : libc;
}

function createNativeUdp(libc: Libc): NativeUdp {
  const sender = new MessageSender(libc);
  let nextId = 1;
  return {
    open(address, threads) {
      const [first, ...others] = openNativeUdpSockets(libc, address, threads);
      const ip = parseIpAddress(address.address);
      assert(first !== undefined && ip !== null, 'one socket is open, on a numeric address');
      return new SocketGroup(nextId++, [first, ...others], ip.bytes, sender);
    },
    openControl: () => new ThreadControl(),
    queries: handedOverQueries,
  };
}
