import { FLAG, HEADER_BYTES } from '../../../core/dns/constants.ts';
import { readU16 } from '../../../core/dns/wire.ts';
import { IPV4_AT, IPV6_AT, PORT_AT } from './socket-address.ts';
import { COUNTER } from './udp-counters.ts';

/** From this first octet on IPv4 addresses are multicast, reserved or broadcast. */
const IPV4_UNICAST_END = 224;

/** The address that a datagram came to: 4 or 16 octets from `at` on. */
export interface OwnAddress {
  readonly family: 4 | 6;
  readonly port: number;
  bytes: Uint8Array;
  at: number;
}

/**
 * The rules of `silenceReason` on octets, without allocating: place of the count to raise
 * (`COUNTER`) if a datagram of `length` octets must be met with silence, 0 if it is for the handler.
 * `source` holds a `sockaddr_in` or `sockaddr_in6` at `sourceAt`, of the family of `own`.
 */
export function silenceCounter(
  message: Uint8Array,
  length: number,
  source: Uint8Array,
  sourceAt: number,
  own: OwnAddress,
): number {
  const port = readU16(source, sourceAt + PORT_AT);
  if (port === 0) return COUNTER.SOURCE_PORT;
  const addressAt = sourceAt + (own.family === 4 ? IPV4_AT : IPV6_AT);
  if (port === own.port && isOwn(source, addressAt, own)) return COUNTER.SOURCE_ADDRESS;
  if (!isUnicast(source, addressAt, own.family)) return COUNTER.SOURCE_ADDRESS;
  if (length < HEADER_BYTES) return COUNTER.SHORT;
  return (readU16(message, 2) & FLAG.QR) === 0 ? 0 : COUNTER.RESPONSE;
}

function isOwn(source: Uint8Array, addressAt: number, { family, bytes, at }: OwnAddress): boolean {
  const size = family === 4 ? 4 : 16;
  for (let i = 0; i < size; i++) if (source[addressAt + i] !== bytes[at + i]) return false;
  return true;
}

function isUnicast(bytes: Uint8Array, at: number, family: 4 | 6): boolean {
  const first = bytes[at]!;
  if (family === 4) return first > 0 && first < IPV4_UNICAST_END;
  if (first === 0xff) return false;
  for (let i = 0; i < 16; i++) if (bytes[at + i] !== 0) return true;
  return false;
}
