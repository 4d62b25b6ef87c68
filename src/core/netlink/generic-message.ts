import { Attributes, AttributeWriter } from './attributes.ts';

/** Command, version, 16 reserved bits (include/uapi/linux/genetlink.h). */
export const GENERIC_HEADER_BYTES = 4;

/** GENL_ID_CTRL: message type of the family that knows the others. */
export const CONTROL_FAMILY = 0x10;

const GET_FAMILY = 3;
const FAMILY_ID = 1;
const FAMILY_NAME = 2;
/** Of the control family and of IPVS. */
const VERSION = 1;

/** Header of a message of a generic netlink family. */
export function genericHeader(command: number): Uint8Array {
  return Uint8Array.of(command, VERSION, 0, 0);
}

/** Body of the question for the message type of a family. */
export function encodeFamilyQuery(name: string): Uint8Array {
  return new AttributeWriter(genericHeader(GET_FAMILY)).text(FAMILY_NAME, name).finish();
}

/** Message type in the answer; null if there is none. */
export function decodeFamilyId(body: Uint8Array): number | null {
  return Attributes.parse(body, GENERIC_HEADER_BYTES)?.u16(FAMILY_ID) ?? null;
}
