import { assert } from '../../../core/base/assert.ts';
import type { Libc } from './libc.ts';
import { MSGHDR } from './linux-constants.ts';
import { PACKET_INFO_BYTES } from './packet-info.ts';
import { SOCKADDR_IN6_BYTES } from './socket-address.ts';

/** Packets that one system call takes or gives at most: beyond, calls cost hardly less a packet. */
export const BATCH_MAX = 64;
/**
 * Room for a query and for an answer; a longer datagram is cut. Queries fill some hundred octets,
 * and answers over UDP have at most as many as `dns.udpPayloadSize` allows.
 */
export const SLOT_BYTES = 4_096;
/**
 * From slot to slot: not a power of two, or the first octets of all slots, which are all that most
 * packets use, would compete for the same few lines of the processor's cache.
 */
const SLOT_STRIDE = SLOT_BYTES + 192;
/** From address to address, and from packet info to packet info; whole 64-bit words. */
const NAME_STRIDE = 32;
const INFO_STRIDE = PACKET_INFO_BYTES;

/*
 * struct mmsghdr (recvmmsg(2)), 64-bit, in 32-bit words from the low end:
 *
 *  0  msg_name        64      8  msg_control     64
 *  2  msg_namelen     32     10  msg_controllen  64
 *  4  msg_iov         64     12  msg_flags       32
 *  6  msg_iovlen      64     14  msg_len         32
 */
export const HEADER_BYTES = 64;
const HEADER_WORDS = 16;
const { NAME, NAME_LENGTH, IOV, IOV_COUNT, CONTROL, CONTROL_LENGTH } = MSGHDR;
const LENGTH = 14;

/* struct iovec (readv(2)): iov_base 64, iov_len 64. */
const IOV_BYTES = 16;
const IOV_WORDS = 4;
const IOV_LENGTH = 2;

const ARENA_BYTES =
  BATCH_MAX * (2 * SLOT_STRIDE + NAME_STRIDE + INFO_STRIDE + 2 * HEADER_BYTES + 2 * IOV_BYTES);

const WORD_HIGH = 2 ** 32;

/**
 * Memory of one thread for a batch of packets in and a batch out, with the structures that
 * `recvmmsg` and `sendmmsg` follow, laid out once. Answers use the addresses of their queries.
 */
export class BatchMemory {
  /** Queries and answers, one array each. */
  readonly received: readonly Uint8Array[];
  readonly replies: readonly Uint8Array[];
  /** Socket addresses of the clients; see `nameAt`. */
  readonly names: Uint8Array;
  /** Packet infos; see `infoAt`. */
  readonly infos: Uint8Array;
  /** Addresses of the first `mmsghdr` of each direction. */
  readonly receiveHeaders: number;
  readonly sendHeaders: number;
  readonly #receive: Uint32Array;
  readonly #send: Uint32Array;
  readonly #sendIov: Uint32Array;
  /** Halves of the addresses of names and infos by packet. */
  readonly #pointers: Uint32Array;
  /** Receive headers from here on are as they were laid out. */
  #used = BATCH_MAX;

  constructor(libc: Pick<Libc, 'addressOf'>) {
    const take = openArena(libc, ARENA_BYTES);
    const received = take(BATCH_MAX * SLOT_STRIDE);
    const replies = take(BATCH_MAX * SLOT_STRIDE);
    const names = take(BATCH_MAX * NAME_STRIDE);
    const infos = take(BATCH_MAX * INFO_STRIDE);
    const receive = take(BATCH_MAX * HEADER_BYTES);
    const send = take(BATCH_MAX * HEADER_BYTES);
    const receiveIov = take(BATCH_MAX * IOV_BYTES);
    const sendIov = take(BATCH_MAX * IOV_BYTES);
    this.received = slots(received.bytes);
    this.replies = slots(replies.bytes);
    this.names = names.bytes;
    this.infos = infos.bytes;
    this.receiveHeaders = receive.address;
    this.sendHeaders = send.address;
    this.#receive = words(receive.bytes);
    this.#send = words(send.bytes);
    this.#sendIov = words(sendIov.bytes);
    this.#pointers = new Uint32Array(4 * BATCH_MAX);
    const receiveIovWords = words(receiveIov.bytes);
    for (let i = 0; i < BATCH_MAX; i++) {
      const header = i * HEADER_WORDS;
      const iov = i * IOV_WORDS;
      setPointer(this.#pointers, 4 * i, names.address + i * NAME_STRIDE);
      setPointer(this.#pointers, 4 * i + 2, infos.address + i * INFO_STRIDE);
      setPointer(this.#receive, header + NAME, names.address + i * NAME_STRIDE);
      setPointer(this.#receive, header + CONTROL, infos.address + i * INFO_STRIDE);
      setPointer(this.#receive, header + IOV, receiveIov.address + i * IOV_BYTES);
      setPointer(this.#send, header + IOV, sendIov.address + i * IOV_BYTES);
      this.#receive[header + IOV_COUNT] = 1;
      this.#send[header + IOV_COUNT] = 1;
      setPointer(receiveIovWords, iov, received.address + i * SLOT_STRIDE);
      setPointer(this.#sendIov, iov, replies.address + i * SLOT_STRIDE);
      receiveIovWords[iov + IOV_LENGTH] = SLOT_BYTES;
    }
  }

  /** Restores what the kernel has overwritten, for the next `recvmmsg`. */
  prepareReceive(): void {
    const headers = this.#receive;
    for (let at = 0, end = this.#used * HEADER_WORDS; at < end; at += HEADER_WORDS) {
      headers[at + NAME_LENGTH] = SOCKADDR_IN6_BYTES;
      headers[at + CONTROL_LENGTH] = PACKET_INFO_BYTES;
    }
    this.#used = 0;
  }

  /** So many packets came; `prepareReceive` has to be called before the next. */
  noteReceived(count: number): void {
    this.#used = count;
  }

  /** Octets of packet `i`, as far as they were kept. */
  length(i: number): number {
    return this.#receive[i * HEADER_WORDS + LENGTH]!;
  }

  /** Octets of the client's socket address; 0: this is no packet, the socket was shut down. */
  nameLength(i: number): number {
    return this.#receive[i * HEADER_WORDS + NAME_LENGTH]!;
  }

  /** Octets of the packet info; 0: none came. */
  infoLength(i: number): number {
    return this.#receive[i * HEADER_WORDS + CONTROL_LENGTH]!;
  }

  /** Where the client's socket address begins in `names`. */
  nameAt(i: number): number {
    return i * NAME_STRIDE;
  }

  /** Where the packet info begins in `infos`. */
  infoAt(i: number): number {
    return i * INFO_STRIDE;
  }

  /** Makes the octets in `replies[reply]` the answer to packet `i`, to be sent as number `reply`. */
  address(reply: number, length: number, i: number): void {
    const headers = this.#send;
    const pointers = this.#pointers;
    const at = reply * HEADER_WORDS;
    headers[at + NAME] = pointers[4 * i]!;
    headers[at + NAME + 1] = pointers[4 * i + 1]!;
    headers[at + NAME_LENGTH] = this.nameLength(i);
    headers[at + CONTROL] = pointers[4 * i + 2]!;
    headers[at + CONTROL + 1] = pointers[4 * i + 3]!;
    headers[at + CONTROL_LENGTH] = this.infoLength(i);
    this.#sendIov[reply * IOV_WORDS + IOV_LENGTH] = length;
  }
}

interface Block {
  readonly bytes: Uint8Array;
  readonly address: number;
}

/**
 * Cuts one piece of memory into blocks. It lives as long as a view of any of them, so that those
 * that only the kernel reads cannot be collected before the others.
 */
function openArena(libc: Pick<Libc, 'addressOf'>, size: number): (size: number) => Block {
  const arena = new Uint8Array(size);
  const start = libc.addressOf(arena);
  let end = 0;
  return (bytes) => {
    const at = end;
    end += bytes;
    assert(end <= size, 'the arena is as large as its blocks');
    return { bytes: arena.subarray(at, end), address: start + at };
  };
}

function slots(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: BATCH_MAX }, (_, i) =>
    bytes.subarray(i * SLOT_STRIDE, i * SLOT_STRIDE + SLOT_BYTES),
  );
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** Writes an address as two words, low half first. */
export function setPointer(target: Uint32Array, at: number, address: number): void {
  target[at] = address % WORD_HIGH;
  target[at + 1] = Math.floor(address / WORD_HIGH);
}
