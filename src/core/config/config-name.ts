/** Presentation form of 255 octets on the wire, without the final dot (RFC 1035 §2.3.4). */
export const NAME_LENGTH_MAX = 253;

/** Labels of letters, digits, hyphens and underscores, 1 to 63 characters each; final dot allowed. */
export const ZONE_NAME_PATTERN = '^[A-Za-z0-9_-]{1,63}(\\.[A-Za-z0-9_-]{1,63})*\\.?$';

/**
 * Labels of anything visible that needs no escape in a zone file: mailboxes such as
 * `dns+mesos.example.com` are legal in an SOA record; final dot allowed.
 */
export const SOA_NAME_PATTERN =
  "^[!#%&'*+,/0-9:<=>?A-Z\\[\\]^_`a-z{|}~-]{1,63}(\\.[!#%&'*+,/0-9:<=>?A-Z\\[\\]^_`a-z{|}~-]{1,63})*\\.?$";

const ZONE_NAME = new RegExp(ZONE_NAME_PATTERN);
const SOA_NAME = new RegExp(SOA_NAME_PATTERN);

/** Name of a zone in lower case without final dot, or null. */
export function parseZoneName(text: string): string | null {
  return normalise(text, ZONE_NAME);
}

/** Name for an SOA field in lower case with final dot, or null. */
export function parseSoaName(text: string): string | null {
  const name = normalise(text, SOA_NAME);
  return name === null ? null : `${name}.`;
}

/** Whether `name` is `zone` or below it; both in lower case without final dot. */
export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

function normalise(text: string, pattern: RegExp): string | null {
  // The length first: the pattern must never run over a whole hostile file.
  if (text.length > NAME_LENGTH_MAX + 1 || !pattern.test(text)) return null;
  const name = text.toLowerCase().replace(/\.$/, '');
  return name.length <= NAME_LENGTH_MAX ? name : null;
}
