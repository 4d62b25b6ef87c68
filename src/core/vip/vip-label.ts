import { type IpAddress, parseIpAddress } from '../base/address.ts';
import { err, ok, type Result } from '../base/result.ts';
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from '../dns/constants.ts';

/** What one label `VIP_<n>` declares. */
export type VipLabel =
  | {
      readonly kind: 'name';
      /** Normalised: labels of `a-z0-9-` joined by dots. */
      readonly name: string;
      readonly port: number;
    }
  | { readonly kind: 'address'; readonly address: IpAddress; readonly port: number };

/** Rejection codes of labels that declare nothing. */
export type VipLabelDefect =
  'vip-label-malformed' | 'vip-port-out-of-range' | 'vip-name-empty' | 'vip-name-too-long';

const PORT_MAX = 65_535;

/** Whether a port label declares a VIP: DC/OS takes these two spellings, and anything behind them. */
export function isVipKey(key: string): boolean {
  return key.startsWith('VIP') || key.startsWith('vip');
}

/**
 * Reads `/name:port`, `name:port` or `address:port` as DC/OS does: the last colon separates, and
 * what is no strict address literal is a name (`[fd01::5]` and `/10.1.2.3` too).
 */
export function parseVipLabel(text: string): Result<VipLabel, VipLabelDefect> {
  const colon = text.lastIndexOf(':');
  const digits = text.slice(colon + 1);
  if (colon < 0 || !/^\d+$/.test(digits)) return err('vip-label-malformed');
  const port = Number(digits);
  if (port < 1 || port > PORT_MAX) return err('vip-port-out-of-range');
  const left = text.slice(0, colon);
  const address = parseIpAddress(left);
  if (address !== null) return ok({ kind: 'address', address, port });
  const name = normaliseVipName(left);
  if (name === '') return err('vip-name-empty');
  if (
    name.length > LABEL_BYTES_MAX &&
    name.split('.').some((part) => part.length > LABEL_BYTES_MAX)
  ) {
    return err('vip-name-too-long');
  }
  return ok({ kind: 'name', name, port });
}

/**
 * DC/OS' name of a VIP: each dotted part keeps its letters in lower case, digits, and dashes
 * (underscores too) between them; all else goes, slashes with it, and so do empty parts. Unlike
 * there a long part is not cut, since two services could become one.
 */
export function normaliseVipName(text: string): string {
  if (!text.includes('.')) return normalisePart(text);
  return text
    .split('.')
    .map(normalisePart)
    .filter((part) => part !== '')
    .join('.');
}

function normalisePart(text: string): string {
  let clean = '';
  /** Dashes that stay only if something follows. */
  let dashes = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code === 0x2d || code === 0x5f) {
      if (clean !== '') dashes++;
      continue;
    }
    if (code >= 0x41 && code <= 0x5a) code += 0x20;
    const isKept = (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
    if (!isKept) continue;
    if (dashes > 0) {
      clean += '-'.repeat(dashes);
      dashes = 0;
    }
    clean += String.fromCharCode(code);
  }
  return clean;
}

/** Octets that names of a VIP have besides its own and its framework's. */
export interface VipNameRoom {
  /** Longest `<name>.<framework>` that can be published under every domain. */
  readonly identityLengthMax: number;
}

/**
 * Room for names under the longest of the domains: the SRV name `_<name>._sctp.<framework>.l4lb.
 * <domain>.` takes at most 255 octets on the wire (RFC 1035 §2.3.4), one more than its text.
 */
export function vipNameRoom(domains: readonly string[]): VipNameRoom {
  const longest = Math.max(...domains.map((domain) => domain.length));
  const around = '_'.length + '._sctp'.length + '.l4lb.'.length + longest + '.'.length;
  return { identityLengthMax: NAME_BYTES_MAX - 1 - around };
}
