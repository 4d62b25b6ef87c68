import { formatIpAddress, type IpAddress } from '../base/address.ts';
import { ADDRESS_FAMILY } from './address-family.ts';
import { Attributes, AttributeWriter } from './attributes.ts';

/** Message types (include/uapi/linux/rtnetlink.h). */
export const ROUTE_MESSAGE = { NEW: 24, DELETE: 25, GET: 26 } as const;

/**
 * Who made a route (rtm_protocol), for people who read `ip route`. Ours is in the range that the
 * kernel leaves to user space, and in no list of known ones.
 */
export const ROUTE_PROTOCOL = 104;
/** RTPROT_KERNEL: goes with an address on the interface, such as the link-local one of IPv6. */
const PROTOCOL_KERNEL = 2;

/** struct rtmsg: eight octets, then 32 bits of flags. */
const HEADER_BYTES = 12;
/** RT_TABLE_LOCAL. */
const TABLE_LOCAL = 255;
const SCOPE_HOST = 254;
/** As any, where a route is to be deleted. */
const SCOPE_NOWHERE = 255;
/** RTN_LOCAL. */
const TYPE_LOCAL = 2;

const DESTINATION = 1;
const OUT_INTERFACE = 4;
const PREFERRED_SOURCE = 7;
const TABLE = 15;

/** A route of one address that the node takes for itself. */
export interface LocalRoute {
  /** Canonical text. */
  readonly address: string;
  /** Index of the interface. */
  readonly link: number;
  /** What local clients use as their own address; null: the kernel decides. */
  readonly source: string | null;
}

/** Body of a NEW message: a local route of one address; both addresses are of one family. */
export function encodeLocalRoute(address: IpAddress, link: number, source: IpAddress): Uint8Array {
  return new AttributeWriter(localHeader(address, ROUTE_PROTOCOL, SCOPE_HOST))
    .bytes(DESTINATION, address.bytes)
    .u32(OUT_INTERFACE, link)
    .bytes(PREFERRED_SOURCE, source.bytes)
    .finish();
}

/** Body of a DELETE message, for the local route of one address on an interface. */
export function encodeLocalRouteKey(address: IpAddress, link: number): Uint8Array {
  return new AttributeWriter(localHeader(address, 0, SCOPE_NOWHERE))
    .bytes(DESTINATION, address.bytes)
    .u32(OUT_INTERFACE, link)
    .finish();
}

/** Body of a GET message that asks for all routes. */
export function encodeRouteDump(): Uint8Array {
  return new Uint8Array(HEADER_BYTES);
}

/** Body of a GET message that asks how packets get to an address. */
export function encodeRouteLookup(towards: IpAddress): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = ADDRESS_FAMILY[towards.family];
  header[1] = 8 * towards.bytes.length;
  return new AttributeWriter(header).bytes(DESTINATION, towards.bytes).finish();
}

/**
 * Reads a NEW message; null if it is malformed, or not a local route of one address, or one that
 * the kernel has made by itself.
 */
export function decodeLocalRoute(body: Uint8Array): LocalRoute | null {
  if (body.length < HEADER_BYTES) return null;
  const [family, length, , , table, protocol, , type] = body;
  const size = family === ADDRESS_FAMILY[4] ? 4 : family === ADDRESS_FAMILY[6] ? 16 : 0;
  if (size === 0 || length !== 8 * size || type !== TYPE_LOCAL) return null;
  if (protocol === PROTOCOL_KERNEL) return null;
  const attributes = Attributes.parse(body, HEADER_BYTES);
  if ((attributes?.u32(TABLE) ?? table) !== TABLE_LOCAL) return null;
  const address = attributes?.bytes(DESTINATION, size) ?? null;
  const link = attributes?.u32(OUT_INTERFACE) ?? null;
  if (address === null || link === null) return null;
  const source = attributes?.bytes(PREFERRED_SOURCE, size) ?? null;
  return {
    address: formatIpAddress(address),
    link,
    source: source === null ? null : formatIpAddress(source),
  };
}

/** Source address in the answer to a look-up; null if the kernel names none. */
export function decodeRouteSource(body: Uint8Array): string | null {
  const source = Attributes.parse(body, HEADER_BYTES)?.bytes(PREFERRED_SOURCE) ?? null;
  return source?.length === 4 || source?.length === 16 ? formatIpAddress(source) : null;
}

function localHeader(address: IpAddress, protocol: number, scope: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = ADDRESS_FAMILY[address.family];
  header[1] = 8 * address.bytes.length;
  header[4] = TABLE_LOCAL;
  header[5] = protocol;
  header[6] = scope;
  header[7] = TYPE_LOCAL;
  return header;
}
