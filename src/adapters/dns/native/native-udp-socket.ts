import { type IpAddress, isUnspecified, parseIpAddress } from '../../../core/base/address.ts';
import { assert } from '../../../core/base/assert.ts';
import type { SocketAddress } from '../../../core/config/config.ts';
import { listenFailure } from '../listen-failure.ts';
import { type Libc, systemError } from './libc.ts';
import * as linux from './linux-constants.ts';
import { decodeSocketAddress, encodeSocketAddress, SOCKADDR_IN6_BYTES } from './socket-address.ts';
import { WAKE_MS } from './thread-control.ts';

/**
 * Asked of the kernel, which gives at most `net.core.rmem_max` and `wmem_max`: queries that come
 * during a pause of the thread wait here instead of being lost, and so do answers for a slow link.
 */
const BUFFER_BYTES = 4 * 1024 * 1024;

/** A UDP socket on one numeric address, for calls through `Libc`; programs we start do not get it. */
export interface NativeUdpSocket {
  readonly fd: number;
  readonly family: 4 | 6;
  /** As bound, with the port that the kernel chose if 0 was asked for. */
  readonly address: SocketAddress;
  /** Bound to `0.0.0.0` or `::`: datagrams come with the address they were sent to. */
  readonly isWildcard: boolean;
  /** What the kernel gave for incoming datagrams, its own overhead included (socket(7)). */
  readonly receiveBufferBytes: number;
  /** Datagrams that the kernel has thrown away since they found no room; kept after `close`. */
  drops(): number;
  /** Whoever waits for datagrams returns at once, now and from now on. */
  wake(): void;
  /** Nobody may use `fd` any more. */
  close(): void;
}

/**
 * Opens `count` sockets on one address, between which the kernel divides clients. Throws
 * `listen-failed`, also when another program shares its sockets on that address with anybody.
 */
export function openNativeUdpSockets(
  libc: Libc,
  wanted: SocketAddress,
  count: number,
): readonly NativeUdpSocket[] {
  const ip = parseIpAddress(wanted.address);
  assert(ip !== null, 'listeners have numeric addresses');
  const sockets: NativeUdpSocket[] = [];
  try {
    // The first must find the address free, and so asks alone; only then it lets the others join.
    const first = openSocket(libc, ip, wanted.port, false);
    sockets.push(first);
    if (count > 1) setOption(libc, first.fd, linux.SOL_SOCKET, linux.SO_REUSEPORT, 1);
    while (sockets.length < count) {
      sockets.push(openSocket(libc, ip, first.address.port, true));
    }
    return sockets;
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw listenFailure('udp', wanted, error);
  }
}

function openSocket(libc: Libc, ip: IpAddress, port: number, joins: boolean): NativeUdpSocket {
  const domain = ip.family === 4 ? linux.AF_INET : linux.AF_INET6;
  const fd = libc.socket(domain, linux.SOCK_DGRAM | linux.SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError('socket', libc.errno());
  try {
    configure(libc, fd, ip);
    if (joins) setOption(libc, fd, linux.SOL_SOCKET, linux.SO_REUSEPORT, 1);
    const address = encodeSocketAddress(ip, port);
    if (libc.bind(fd, address, address.length) < 0) throw systemError('bind', libc.errno());
    return new BoundSocket(libc, fd, ip);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Everything before `bind`, so that no datagram comes to a socket that is not ready for it. */
function configure(libc: Libc, fd: number, ip: IpAddress): void {
  const isWildcard = isUnspecified(ip);
  if (ip.family === 6) setOption(libc, fd, linux.IPPROTO_IPV6, linux.IPV6_V6ONLY, 1);
  if (isWildcard && ip.family === 4) setOption(libc, fd, linux.IPPROTO_IP, linux.IP_PKTINFO, 1);
  if (isWildcard && ip.family === 6) {
    setOption(libc, fd, linux.IPPROTO_IPV6, linux.IPV6_RECVPKTINFO, 1);
  }
  ignorePathMtu(libc, fd, ip.family);
  // The kernel cuts what is too much.
  setOption(libc, fd, linux.SOL_SOCKET, linux.SO_RCVBUF, BUFFER_BYTES);
  setOption(libc, fd, linux.SOL_SOCKET, linux.SO_SNDBUF, BUFFER_BYTES);
  // struct timeval: seconds and microseconds, 64 bits each; recvmmsg's own timeout is only looked
  // at after a datagram (recvmmsg(2), BUGS).
  const timeout = new BigInt64Array([0n, BigInt(WAKE_MS) * 1000n]);
  set(libc, fd, linux.SOL_SOCKET, linux.SO_RCVTIMEO, new Uint8Array(timeout.buffer));
}

/**
 * RFC 9715 §3.1: answers fit everywhere, and an ICMP message that claims otherwise, which anybody
 * can forge, must not change how they are sent.
 */
function ignorePathMtu(libc: Libc, fd: number, family: 4 | 6): void {
  const level = family === 4 ? linux.IPPROTO_IP : linux.IPPROTO_IPV6;
  const name = family === 4 ? linux.IP_MTU_DISCOVER : linux.IPV6_MTU_DISCOVER;
  try {
    setOption(libc, fd, level, name, linux.PMTUDISC_OMIT);
  } catch {
    setOption(libc, fd, level, name, linux.PMTUDISC_DONT);
  }
}

function setOption(libc: Libc, fd: number, level: number, name: number, value: number): void {
  set(libc, fd, level, name, new Uint8Array(new Int32Array([value]).buffer));
}

function set(libc: Libc, fd: number, level: number, name: number, value: Uint8Array): void {
  if (libc.setsockopt(fd, level, name, value, value.length) < 0) {
    throw systemError('setsockopt', libc.errno());
  }
}

class BoundSocket implements NativeUdpSocket {
  readonly fd: number;
  readonly family: 4 | 6;
  readonly address: SocketAddress;
  readonly isWildcard: boolean;
  readonly receiveBufferBytes: number;
  readonly #libc: Libc;
  #drops = 0;
  #closed = false;

  constructor(libc: Libc, fd: number, ip: IpAddress) {
    this.#libc = libc;
    this.fd = fd;
    this.family = ip.family;
    this.isWildcard = isUnspecified(ip);
    const address = new Uint8Array(SOCKADDR_IN6_BYTES);
    if (libc.getsockname(fd, address, length(address)) < 0) {
      throw systemError('getsockname', libc.errno());
    }
    this.address = { address: ip.text, port: decodeSocketAddress(address).port };
    this.receiveBufferBytes = this.#read(linux.SO_RCVBUF, 1)[0] ?? 0;
  }

  drops(): number {
    if (!this.#closed) {
      const info = this.#read(linux.SO_MEMINFO, linux.SK_MEMINFO_VARS);
      this.#drops = info[linux.SK_MEMINFO_DROPS] ?? 0;
    }
    return this.#drops;
  }

  wake(): void {
    // Fails with ENOTCONN, as the socket has no peer, but marks it and wakes who waits (shutdown(2)
    // says nothing of it; `inet_shutdown` in the kernel does it for this purpose).
    if (!this.#closed) this.#libc.shutdown(this.fd, linux.SHUT_RD);
  }

  close(): void {
    if (this.#closed) return;
    this.drops();
    this.#closed = true;
    this.#libc.close(this.fd);
  }

  /** Words of an option of the socket; zeros where the kernel does not have it. */
  #read(name: number, words: number): Uint32Array {
    const value = new Uint32Array(words);
    const bytes = new Uint8Array(value.buffer);
    this.#libc.getsockopt(this.fd, linux.SOL_SOCKET, name, bytes, length(bytes));
    return value;
  }
}

/** A `socklen_t` that says how much room there is. */
function length(room: Uint8Array): Uint8Array {
  return new Uint8Array(new Uint32Array([room.length]).buffer);
}
