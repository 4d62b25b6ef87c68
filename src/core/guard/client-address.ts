/**
 * Where a query came from, as octets in network byte order: 4 or 16 of them from `offset` on. One
 * object is used again for every packet of a thread, so that the hot path allocates nothing.
 */
export interface ClientAddress {
  family: 4 | 6;
  bytes: Uint8Array;
  offset: number;
}

/** 127.0.0.0/8 or `::1`: a program of this node. */
export function isLoopbackClient({ family, bytes, offset }: ClientAddress): boolean {
  if (family === 4) return bytes[offset] === 127;
  for (let i = 0; i < 15; i++) if (bytes[offset + i] !== 0) return false;
  return bytes[offset + 15] === 1;
}
