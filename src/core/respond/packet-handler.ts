import type { ClientAddress } from '../guard/client-address.ts';

/**
 * Answers the first `length` octets of `message`: writes the reply into `out` and returns its
 * length, or DROP (0: no reply), or FORWARD (-1: the main thread has
 * to answer), see `core/dns/answer.ts`. `nowMs` is monotonic. Both buffers are the caller's and used again.
 */
export type PacketHandler = (
  message: Uint8Array,
  length: number,
  client: ClientAddress,
  nowMs: number,
  out: Uint8Array,
) => number;
