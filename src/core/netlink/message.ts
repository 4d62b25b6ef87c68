/**
 * Netlink messages (include/uapi/linux/netlink.h). All numbers are in the byte order of the host;
 * ours is little-endian, as on every processor that we have a netlink binding for.
 *
 *     0               4       6       8               12              16
 *     | length        | type  | flags | sequence      | port          | body, padded to 4 octets
 */
import { assert } from '../base/assert.ts';

export const MESSAGE_HEADER_BYTES = 16;

export const MESSAGE_TYPE = { ERROR: 2, DONE: 3 } as const;

export const MESSAGE_FLAG = {
  REQUEST: 0x1,
  ACK: 0x4,
  /** NLM_F_ROOT and NLM_F_MATCH. */
  DUMP: 0x300,
  /** Of requests that make something. */
  REPLACE: 0x100,
  EXCLUSIVE: 0x200,
  CREATE: 0x400,
} as const;

/** What is asked of the kernel; who sends it adds the sequence number. */
export interface NetlinkRequest {
  readonly type: number;
  /** Bits of MESSAGE_FLAG, besides REQUEST, ACK and DUMP. */
  readonly flags: number;
  readonly body: Uint8Array;
}

export interface NetlinkMessage extends NetlinkRequest {
  readonly sequence: number;
}

/** Messages back to back as one datagram. */
export function encodeMessages(messages: readonly NetlinkMessage[]): Uint8Array {
  let size = 0;
  for (const { body } of messages) size += padded(MESSAGE_HEADER_BYTES + body.length);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { type, flags, sequence, body } of messages) {
    view.setUint32(at, MESSAGE_HEADER_BYTES + body.length, true);
    view.setUint16(at + 4, type, true);
    view.setUint16(at + 6, flags, true);
    view.setUint32(at + 8, sequence, true);
    bytes.set(body, at + MESSAGE_HEADER_BYTES);
    at += padded(MESSAGE_HEADER_BYTES + body.length);
  }
  assert(at === size, 'messages fill their datagram');
  return bytes;
}

/** The messages of a datagram, whose bodies are parts of it; null if it is malformed. */
export function parseMessages(datagram: Uint8Array): readonly NetlinkMessage[] | null {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const messages: NetlinkMessage[] = [];
  let at = 0;
  while (at < datagram.length) {
    if (at + MESSAGE_HEADER_BYTES > datagram.length) return null;
    const length = view.getUint32(at, true);
    if (length < MESSAGE_HEADER_BYTES || at + length > datagram.length) return null;
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: datagram.subarray(at + MESSAGE_HEADER_BYTES, at + length),
    });
    at += padded(length);
  }
  return messages;
}

/**
 * Error number in the body of an ERROR or DONE message; 0: it went well. DONE of older kernels has
 * no number, and more messages than our own have a positive one.
 */
export function parseErrno(body: Uint8Array): number {
  if (body.length < 4) return 0;
  const code = new DataView(body.buffer, body.byteOffset, 4).getInt32(0, true);
  return code < 0 ? -code : 0;
}

/** Length with the padding that messages and attributes have. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}
