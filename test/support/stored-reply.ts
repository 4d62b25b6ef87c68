import { FLAG, HEADER_BYTES } from '../../src/core/dns/constants.ts';
import {
  STORED,
  storedBodyAt,
  storedNameAt,
  storedNameLength,
  storedRecordCount,
  storedTtlsAt,
} from '../../src/core/dns/stored-reply.ts';
import type { PackRules } from '../../src/core/forward/pack-reply.ts';
import { isInZone } from '../../src/core/forward/reply-name.ts';
import { readMessage, u16, wireName } from './dns-message.ts';
import type { ReadMessage } from './dns-message.ts';

/** Whether a lower-case wire name is in the zone `mesos.`. */
export function isMesosName(name: Uint8Array): boolean {
  return isInZone(name, wireName('mesos.'));
}

/** As a native file has them without a word about it. */
export const PACK_RULES: PackRules = {
  ttlSecondsMin: 0,
  ttlSecondsMax: 86_400,
  negativeTtlSecondsMax: 900,
  prefetch: true,
  blockPrivate: false,
  blockPrivateExcept: [],
  isOwnName: isMesosName,
};

/**
 * The message that a stored reply stands for, with the TTLs as they were when it was stored.
 * `recase` changes the letters of the qname; pointers must fit whatever it does.
 */
export function messageOfStored(
  stored: Uint32Array,
  recase: (qname: Uint8Array) => Uint8Array = (qname) => qname,
): Uint8Array {
  const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
  const nameAt = storedNameAt(0);
  const qname = recase(bytes.slice(nameAt, nameAt + storedNameLength(stored, 0)));
  const counts = stored[STORED.ANSWER_AUTHORITY]!;
  const bodyAt = storedBodyAt(stored, 0);
  const header = u16(
    0x1234,
    FLAG.QR | FLAG.RD | FLAG.RA | (stored[STORED.FLAGS]! & 0xffff),
    1,
    counts >>> 16,
    counts & 0xffff,
    stored[STORED.ADDITIONAL]!,
  );
  const body = bytes.subarray(bodyAt, bodyAt + stored[STORED.BODY_BYTES]!);
  const type = stored[STORED.KEY]! >>> 16;
  return new Uint8Array(Buffer.concat([header, qname, u16(type, 1), body]));
}

/** The same, decoded. */
export function readStored(stored: Uint32Array): ReadMessage {
  return readMessage(messageOfStored(stored));
}

/** TTLs by the list of where they stand, which readers go by. */
export function ttlsOfStored(stored: Uint32Array): number[] {
  const message = Buffer.from(messageOfStored(stored));
  const body = HEADER_BYTES + storedNameLength(stored, 0) + 4;
  const offsets = new Uint16Array(
    stored.buffer,
    stored.byteOffset + storedTtlsAt(stored, 0),
    storedRecordCount(stored, 0),
  );
  return Array.from(offsets, (offset) => message.readUInt32BE(body + offset));
}

/** Seconds that it is kept for. */
export function lifetimeOf(stored: Uint32Array): number {
  return stored[STORED.EXPIRES_AT]! - stored[STORED.STORED_AT]!;
}
