import { assert } from '../../../core/base/assert.ts';
import { DROP, FORWARD } from '../../../core/dns/answer.ts';
import type { ClientAddress } from '../../../core/guard/client-address.ts';
import type { PacketHandler } from '../../../core/respond/packet-handler.ts';
import { BATCH_MAX, BatchMemory, HEADER_BYTES, SLOT_BYTES } from './batch-memory.ts';
import { type OwnAddress, silenceCounter } from './datagram-silence.ts';
import { HandOver } from './handed-over.ts';
import type { Libc } from './libc.ts';
import { EAGAIN, EINTR, MSG_DONTWAIT, MSG_WAITFORONE, POLLIN } from './linux-constants.ts';
import { LOCAL_IPV4_AT, LOCAL_IPV6_AT, turnPacketInfo } from './packet-info.ts';
import { IPV4_AT, IPV6_AT } from './socket-address.ts';
import type { ThreadSocket } from './socket-group.ts';
import { type ThreadControl, WAKE_MS } from './thread-control.ts';
import { COUNTER, sendErrorCounter } from './udp-counters.ts';

/** What a packet loop is told and tells. */
export interface PacketLoopParts {
  readonly libc: Libc;
  readonly control: ThreadControl;
  readonly handle: PacketHandler;
  /** Answers what `handle` would forward while too many forwarded queries wait. */
  readonly overload: PacketHandler;
  /** Monotonic milliseconds. */
  now(): number;
  /** There may be messages; called between two batches, and before a batch is answered. */
  onMail(): void;
  /** No packet came for a while. */
  onIdle(): void;
  /** The sockets that `useSockets` gave last are in use, and no other. */
  onSockets(): void;
  /** Queries for the main thread, for `handedOverQueries`. */
  handOver(batch: Uint8Array<ArrayBuffer>): void;
}

/** A socket as the loop uses it. */
interface OpenSocket {
  readonly id: number;
  readonly fd: number;
  readonly isWildcard: boolean;
  readonly own: OwnAddress;
  readonly counts: Float64Array;
}

/** struct pollfd (poll(2)): fd 32, events 16, revents 16. */
const POLL_BYTES = 8;
/** Longest sleep after errors in a row that no packet brought about, such as want of memory. */
const PAUSE_MS_MAX = 100;

/**
 * Answers the packets of a thread's sockets until it is told to stop: takes up to BATCH_MAX of them
 * in one system call, answers them in another. It allocates nothing but for queries that it hands
 * over. What a handler throws ends it.
 */
export class PacketLoop {
  readonly #parts: PacketLoopParts;
  readonly #libc: Libc;
  readonly #control: ThreadControl;
  readonly #handle: PacketHandler;
  readonly #memory: BatchMemory;
  readonly #client: ClientAddress;
  readonly #handOver = new HandOver(BATCH_MAX, SLOT_BYTES);
  #sockets: readonly OpenSocket[] = [];
  #nextSockets: readonly OpenSocket[] | null;
  #pollEntries = new Uint8Array(0);
  #pollView = new DataView(this.#pollEntries.buffer);
  #pollAddress = 0;
  #failuresInRow = 0;

  constructor(parts: PacketLoopParts, sockets: readonly ThreadSocket[]) {
    this.#parts = parts;
    this.#libc = parts.libc;
    this.#control = parts.control;
    this.#handle = parts.handle;
    this.#memory = new BatchMemory(parts.libc);
    this.#client = { family: 4, bytes: this.#memory.names, offset: 0 };
    this.#nextSockets = this.#opened(sockets);
  }

  /** Reads these from the next batch on; for `onMail`. */
  useSockets(sockets: readonly ThreadSocket[]): void {
    this.#nextSockets = this.#opened(sockets);
  }

  /** Returns when the control says stop. */
  run(): void {
    while (!this.#control.isStopped) {
      if (this.#control.takeMail()) this.#parts.onMail();
      if (this.#nextSockets !== null) this.#changeSockets(this.#nextSockets);
      if (this.#sockets.length === 0) this.#control.pause(WAKE_MS);
      else if (this.#sockets.length === 1) this.#receive(this.#sockets[0]!, MSG_WAITFORONE);
      else this.#poll();
    }
  }

  #changeSockets(sockets: readonly OpenSocket[]): void {
    this.#nextSockets = null;
    this.#sockets = sockets;
    this.#pollEntries = new Uint8Array(sockets.length * POLL_BYTES);
    this.#pollView = new DataView(this.#pollEntries.buffer);
    for (const [i, { fd }] of sockets.entries()) {
      this.#pollView.setInt32(i * POLL_BYTES, fd, true);
      this.#pollView.setInt16(i * POLL_BYTES + 4, POLLIN, true);
    }
    if (sockets.length > 0) this.#pollAddress = this.#libc.addressOf(this.#pollEntries);
    this.#parts.onSockets();
  }

  #poll(): void {
    const sockets = this.#sockets;
    const ready = this.#libc.poll(this.#pollAddress, sockets.length, WAKE_MS);
    if (ready === 0) this.#parts.onIdle();
    if (ready < 0) this.#fail(null, this.#libc.errno());
    if (ready <= 0) return;
    for (let i = 0; i < sockets.length; i++) {
      // An error or a hang-up shows as one when the socket is read.
      if (this.#pollView.getInt16(i * POLL_BYTES + 6, true) === 0) continue;
      this.#receive(sockets[i]!, MSG_DONTWAIT);
    }
  }

  #receive(socket: OpenSocket, flags: number): void {
    const memory = this.#memory;
    memory.prepareReceive();
    const count = this.#libc.recvmmsg(socket.fd, memory.receiveHeaders, BATCH_MAX, flags, 0);
    if (count < 0) {
      const errno = this.#libc.errno();
      if (errno !== EAGAIN) this.#fail(socket, errno);
      else if (flags !== MSG_DONTWAIT) this.#parts.onIdle();
      return;
    }
    memory.noteReceived(count);
    // Whoever hears of a publication and then asks gets what was published.
    if (this.#control.takeMail()) this.#parts.onMail();
    this.#answer(socket, count);
  }

  #answer(socket: OpenSocket, count: number): void {
    const memory = this.#memory;
    const { counts } = socket;
    const nowMs = this.#parts.now();
    let received = 0;
    let replies = 0;
    for (let i = 0; i < count; i++) {
      // A socket that was shut down gives nothing, from nobody.
      if (memory.nameLength(i) === 0) continue;
      received++;
      counts[COUNTER.RECEIVED]!++;
      const length = this.#answerPacket(socket, i, nowMs, memory.replies[replies]!);
      if (length === DROP) continue;
      // Only if broken, since `assert` allocates.
      if (length > SLOT_BYTES) assert(false, 'an answer over UDP fits into its slot');
      memory.address(replies++, length, i);
    }
    if (received === 0) {
      this.#pause();
      return;
    }
    this.#failuresInRow = 0;
    if (replies > 0) this.#send(socket, replies);
    if (this.#handOver.count > 0) this.#postQueries();
  }

  /** Length of the reply to packet `i`, or DROP. */
  #answerPacket(socket: OpenSocket, i: number, nowMs: number, out: Uint8Array): number {
    const memory = this.#memory;
    const { own } = socket;
    const message = memory.received[i]!;
    const length = memory.length(i);
    const nameAt = memory.nameAt(i);
    if (socket.isWildcard) {
      const infoAt = memory.infoAt(i);
      turnPacketInfo(memory.infos, infoAt, own.family);
      own.at = infoAt + (own.family === 4 ? LOCAL_IPV4_AT : LOCAL_IPV6_AT);
    }
    const silent = silenceCounter(message, length, memory.names, nameAt, own);
    if (silent !== 0) {
      socket.counts[silent]!++;
      return DROP;
    }
    const client = this.#client;
    client.family = own.family;
    client.offset = nameAt + (own.family === 4 ? IPV4_AT : IPV6_AT);
    const size = this.#handle(message, length, client, nowMs, out);
    if (size !== FORWARD) return size;
    if (this.#control.hasRoom(this.#handOver.count)) {
      const infoAt = memory.infoAt(i);
      const infoLength = memory.infoLength(i);
      const { names, infos } = memory;
      this.#handOver.add(socket.id, message, length, names, nameAt, infos, infoAt, infoLength);
      return DROP;
    }
    return this.#parts.overload(message, length, client, nowMs, out);
  }

  /** Sends the replies in order. One that fails does not keep the next from being sent. */
  #send(socket: OpenSocket, replies: number): void {
    const { counts, fd } = socket;
    const headers = this.#memory.sendHeaders;
    let next = 0;
    while (next < replies) {
      const at = headers + next * HEADER_BYTES;
      const sent = this.#libc.sendmmsg(fd, at, replies - next, MSG_DONTWAIT);
      if (sent > 0) {
        counts[COUNTER.SENT]! += sent;
        next += sent;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      if (errno === EAGAIN) {
        // The link is saturated: dropping, which clients repeat, is better than waiting.
        counts[COUNTER.UNSENT]! += replies - next;
        return;
      }
      counts[sendErrorCounter(errno)]!++;
      next++;
    }
  }

  #postQueries(): void {
    this.#control.handOver(this.#handOver.count);
    this.#parts.handOver(this.#handOver.take());
  }

  #fail(socket: OpenSocket | null, errno: number): void {
    if (errno === EINTR) return;
    if (socket !== null) socket.counts[COUNTER.SOCKET_ERRORS]!++;
    this.#pause();
  }

  /** After a call that gave nothing but should have: an error that stays must not cost a processor. */
  #pause(): void {
    const ms = Math.min(PAUSE_MS_MAX, 2 ** this.#failuresInRow++ - 1);
    if (ms > 0) this.#control.pause(ms);
  }

  #opened(sockets: readonly ThreadSocket[]): readonly OpenSocket[] {
    return sockets.map(({ id, fd, isWildcard, family, port, address, counters }) => ({
      id,
      fd,
      isWildcard,
      own: { family, port, bytes: isWildcard ? this.#memory.infos : address, at: 0 },
      counts: new Float64Array(counters),
    }));
  }
}
