import { Attributes, AttributeWriter } from './attributes.ts';

/** Message types (include/uapi/linux/rtnetlink.h). */
export const LINK_MESSAGE = { NEW: 16, DELETE: 17, GET: 18 } as const;

/** struct ifinfomsg: family, type, index, flags, change. */
const HEADER_BYTES = 16;
const IFF_UP = 1;
const NAME = 3;
const LINK_INFO = 18;
const INFO_KIND = 1;
/** IFNAMSIZ with the zero octet. */
const NAME_BYTES_MAX = 15;

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly isUp: boolean;
  /** Such as `dummy`; null for real ones. */
  readonly kind: string | null;
}

/** Whether the kernel takes the text as the name of an interface (dev_valid_name). */
export function isLinkName(text: string): boolean {
  return text.length <= NAME_BYTES_MAX && /^(?!\.{1,2}$)[!-.0-9;-~]+$/.test(text);
}

/** Body of a question for an interface, or of a request to delete it. */
export function encodeLinkName(name: string): Uint8Array {
  return new AttributeWriter(header(0, 0)).text(NAME, name).finish();
}

/** Body of a request for a dummy interface, at once up. */
export function encodeDummy(name: string): Uint8Array {
  return new AttributeWriter(header(0, IFF_UP))
    .text(NAME, name)
    .nest(LINK_INFO, (info) => info.text(INFO_KIND, 'dummy'))
    .finish();
}

/** Body of a request to set an interface up. */
export function encodeLinkUp(index: number): Uint8Array {
  return header(index, IFF_UP);
}

/** Reads a NEW message; null if it is malformed. */
export function decodeLink(body: Uint8Array): Link | null {
  if (body.length < HEADER_BYTES) return null;
  const view = new DataView(body.buffer, body.byteOffset, HEADER_BYTES);
  const attributes = Attributes.parse(body, HEADER_BYTES);
  const name = attributes?.text(NAME) ?? null;
  if (attributes === null || name === null) return null;
  return {
    index: view.getInt32(4, true),
    name,
    isUp: (view.getUint32(8, true) & IFF_UP) !== 0,
    kind: attributes.nested(LINK_INFO)?.text(INFO_KIND) ?? null,
  };
}

/** `flags` are also what is to change. */
function header(index: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, flags, true);
  return bytes;
}
