import { assert } from '../../../core/base/assert.ts';
import { MESSAGE_BYTES_MAX } from '../../../core/dns/constants.ts';
import { setPointer } from './batch-memory.ts';
import type { ReplyRoute } from './handed-over.ts';
import type { Libc } from './libc.ts';
import { MSG_DONTWAIT, MSGHDR } from './linux-constants.ts';
import { PACKET_INFO_BYTES } from './packet-info.ts';
import { SOCKADDR_IN6_BYTES } from './socket-address.ts';

/* struct msghdr (sendmsg(2)) with its one struct iovec, 64-bit, in 32-bit words. */
const { NAME, NAME_LENGTH, IOV, IOV_COUNT, CONTROL, CONTROL_LENGTH } = MSGHDR;
const IOV_BASE = 14;
const IOV_LENGTH = 16;
const WORDS = 18;

const NAME_AT = WORDS * 4;
const INFO_AT = NAME_AT + 32;
const MESSAGE_AT = INFO_AT + PACKET_INFO_BYTES;

/** Sends single messages, from memory that is laid out once. */
export class MessageSender {
  readonly #libc: Libc;
  readonly #bytes = new Uint8Array(MESSAGE_AT + MESSAGE_BYTES_MAX);
  readonly #words = new Uint32Array(this.#bytes.buffer, 0, WORDS);
  readonly #address: number;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#address = libc.addressOf(this.#bytes);
    setPointer(this.#words, NAME, this.#address + NAME_AT);
    setPointer(this.#words, IOV, this.#address + IOV_BASE * 4);
    setPointer(this.#words, CONTROL, this.#address + INFO_AT);
    setPointer(this.#words, IOV_BASE, this.#address + MESSAGE_AT);
    this.#words[IOV_COUNT] = 1;
  }

  /** Without waiting: 0, or the error number; EAGAIN if the send queue is full. */
  send(fd: number, message: Uint8Array, { peer, packetInfo }: ReplyRoute): number {
    assert(message.length <= MESSAGE_BYTES_MAX, 'a message has at most 65,535 octets');
    assert(peer.length <= SOCKADDR_IN6_BYTES, 'an address of IPv4 or IPv6');
    assert(packetInfo.length <= PACKET_INFO_BYTES, 'packet info of IPv4 or IPv6');
    this.#bytes.set(peer, NAME_AT);
    this.#bytes.set(packetInfo, INFO_AT);
    this.#bytes.set(message, MESSAGE_AT);
    this.#words[NAME_LENGTH] = peer.length;
    this.#words[CONTROL_LENGTH] = packetInfo.length;
    this.#words[IOV_LENGTH] = message.length;
    const sent = this.#libc.sendmsg(fd, this.#address, MSG_DONTWAIT);
    return sent < 0 ? this.#libc.errno() : 0;
  }
}
