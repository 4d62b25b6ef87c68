import type { SocketAddress } from '../../core/config/config.ts';
import { FLAG, HEADER_BYTES } from '../../core/dns/constants.ts';
import { readU16 } from '../../core/dns/wire.ts';

/** Why a message gets no answer at all. */
export type SilenceReason = 'short' | 'response' | 'source-port' | 'source-address';

/** From this first octet on IPv4 addresses are multicast, reserved or broadcast. */
const IPV4_UNICAST_END = 224;

/**
 * Whether a datagram that came to `own` must be met with silence: it cannot be answered, or an
 * answer could start an exchange without end. Null if it is for the handler.
 */
export function silenceReason(
  message: Uint8Array,
  source: SocketAddress,
  own: SocketAddress,
): SilenceReason | null {
  // Nobody receives on port 0, though a forged datagram can come from there; node:dgram throws
  // when sending to it.
  if (source.port === 0) return 'source-port';
  if (source.port === own.port && source.address === own.address) return 'source-address';
  if (!isUnicast(source.address)) return 'source-address';
  return formSilence(message);
}

/** The same by the form of the message alone (RFC 1035 §4.1.1), for streams. */
export function formSilence(message: Uint8Array): 'short' | 'response' | null {
  if (message.length < HEADER_BYTES) return 'short';
  return (readU16(message, 2) & FLAG.QR) === 0 ? null : 'response';
}

/** False for what no client can have: unspecified, multicast, reserved and broadcast addresses. */
function isUnicast(address: string): boolean {
  if (address.includes(':')) return address !== '::' && !/^ff/i.test(address);
  const first = Number.parseInt(address, 10);
  return first > 0 && first < IPV4_UNICAST_END;
}
