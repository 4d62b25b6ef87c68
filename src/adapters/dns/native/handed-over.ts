import { assert } from '../../../core/base/assert.ts';
import type { DnsClient } from '../query-handler.ts';
import { PACKET_INFO_BYTES } from './packet-info.ts';
import { decodeClient, SOCKADDR_IN6_BYTES, socketAddressBytes } from './socket-address.ts';

/*
 * A batch of queries for the main thread is one block of octets, records one behind the other:
 *
 *  0  number of the socket          32, host order, like all of them
 *  4  length of the message         16
 *  6  length of the packet info     16, 0: none is needed
 *  8  sockaddr of the client        SOCKADDR_IN6_BYTES
 * 36  packet info of the answer     PACKET_INFO_BYTES
 * 76  message
 */
const SOCKET_AT = 0;
const MESSAGE_LENGTH_AT = 4;
const INFO_LENGTH_AT = 6;
const PEER_AT = 8;
const INFO_AT = PEER_AT + SOCKADDR_IN6_BYTES;
const HEAD_BYTES = INFO_AT + PACKET_INFO_BYTES;

/** Who a late answer goes to, as the kernel wants it. */
export interface ReplyRoute {
  /** `sockaddr_in` or `sockaddr_in6`. */
  readonly peer: Uint8Array;
  /** Control message that says which address of ours it comes from; empty: that of the socket. */
  readonly packetInfo: Uint8Array;
}

/** A query that a UDP thread could not answer. */
export interface HandedOverQuery {
  /** Of `ThreadSocket`. */
  readonly socketId: number;
  /** A view of the batch. */
  readonly message: Uint8Array;
  readonly client: DnsClient;
  readonly route: ReplyRoute;
}

/** Collects the queries of one batch of packets, in memory that is used again for the next. */
export class HandOver {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #end = 0;
  #count = 0;

  /** Room for `count` messages of `messageBytesMax` octets. */
  constructor(count: number, messageBytesMax: number) {
    this.#bytes = new Uint8Array(count * (HEAD_BYTES + messageBytesMax));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a query; `packetInfo` is for its answer, as `turnPacketInfo` makes it. */
  add(
    socketId: number,
    message: Uint8Array,
    length: number,
    names: Uint8Array,
    nameAt: number,
    packetInfos: Uint8Array,
    packetInfoAt: number,
    packetInfoLength: number,
  ): void {
    const at = this.#end;
    assert(at + HEAD_BYTES + length <= this.#bytes.length, 'there is room for a whole batch');
    this.#view.setUint32(at + SOCKET_AT, socketId, true);
    this.#view.setUint16(at + MESSAGE_LENGTH_AT, length, true);
    this.#view.setUint16(at + INFO_LENGTH_AT, packetInfoLength, true);
    copy(names, nameAt, SOCKADDR_IN6_BYTES, this.#bytes, at + PEER_AT);
    copy(packetInfos, packetInfoAt, PACKET_INFO_BYTES, this.#bytes, at + INFO_AT);
    copy(message, 0, length, this.#bytes, at + HEAD_BYTES);
    this.#end = at + HEAD_BYTES + length;
    this.#count++;
  }

  /** The queries so far as a block of their own; none are left. */
  take(): Uint8Array<ArrayBuffer> {
    const batch = new Uint8Array(this.#bytes.subarray(0, this.#end));
    this.#end = 0;
    this.#count = 0;
    return batch;
  }
}

function copy(from: Uint8Array, at: number, size: number, to: Uint8Array, toAt: number): void {
  for (let i = 0; i < size; i++) to[toAt + i] = from[at + i]!;
}

/** The queries of a batch that `HandOver.take` made. */
export function* handedOverQueries(batch: Uint8Array): Generator<HandedOverQuery, void> {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  for (let at = 0; at < batch.length;) {
    const messageAt = at + HEAD_BYTES;
    const next = messageAt + view.getUint16(at + MESSAGE_LENGTH_AT, true);
    const peer = batch.subarray(at + PEER_AT, at + PEER_AT + SOCKADDR_IN6_BYTES);
    const infoAt = at + INFO_AT;
    yield {
      socketId: view.getUint32(at + SOCKET_AT, true),
      message: batch.subarray(messageAt, next),
      client: decodeClient(peer),
      route: {
        peer: peer.subarray(0, socketAddressBytes(peer)),
        packetInfo: batch.subarray(infoAt, infoAt + view.getUint16(at + INFO_LENGTH_AT, true)),
      },
    };
    at = next;
  }
}
