import { formatIpAddress, parseIpAddress } from '../base/address.ts';
import {
  destinationKey,
  type ForwardingMethod,
  type ObservedDestination,
  type Protocol,
  PROTOCOLS,
  type ServiceId,
  serviceKey,
} from './table.ts';

/**
 * A service of `/proc/net/ip_vs` (ip_vs_info_seq_show in net/netfilter/ipvs/ip_vs_ctl.c). The file
 * tells neither the flags of the scheduler nor thresholds, which are 0 here.
 */
export interface ProcService extends ServiceId {
  readonly scheduler: string;
  /** One-packet scheduling; the kernel shows it of IPv4 services only. */
  readonly isOnePacket: boolean;
  /** Persistence in ticks of the kernel, of which a second has CONFIG_HZ; 0: not persistent. */
  readonly persistenceTicks: number;
  /** By `destinationKey`. */
  readonly destinations: ReadonlyMap<string, ObservedDestination>;
}

/** Services by `serviceKey`, without those by firewall mark. */
export type ProcTable = ReadonlyMap<string, ProcService>;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const ZERO = 0x30;
const COLON = 0x3a;
const BRACKET = 0x5b;
/** `IP Virtual Server version`, `Prot LocalAddress:Port`, `  -> RemoteAddress:Port`. */
const HEADER = 'IP Virtual Server version ';
const HEADER_LINES = 3;
/** Where the address begins in `  -> 0A090006:7918      Masq    6      0          0`. */
const ADDRESS_OFFSET = 5;
/** `0A090006:7918` */
const IPV4_PORT_OFFSET = 9;
const IPV4_END = 13;

const SERVICE =
  /^(\w+) +(\[[0-9a-f:]+\]|[0-9A-F]{8}):([0-9A-F]{4}) (\S+)( ops)? *(?:persistent (\d+) [0-9A-F]{8})?$/;
const MARKED_SERVICE = /^FWM +[0-9A-F]{8} /;
const IPV6_ENDPOINT = /^\[([0-9a-f:]+)\]:([0-9A-F]{4}) /;

/** By the first letter of its name in the file. */
const FORWARDING = new Map<number, ForwardingMethod>(
  [
    ['M', 'masq'],
    ['L', 'local'],
    ['T', 'tunnel'],
    ['R', 'direct'],
    ['B', 'bypass'],
  ].map(([letter, method]) => [letter!.charCodeAt(0), method as ForwardingMethod]),
);

interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly key: string;
}

/** A service as it stands in the file. */
interface Section {
  /** Lines of its destinations. */
  readonly bytes: Uint8Array;
  /** null: by firewall mark, or of a protocol that we do not know. */
  readonly service: ProcService | null;
  /** `serviceKey`. */
  readonly key: string;
  readonly size: number;
}

/** Endpoints that are kept although the table does not have them any more. */
const SPARE_ENDPOINTS_MAX = 4096;

/**
 * Reads `/proc/net/ip_vs` again and again. Tables hardly change, so it remembers services whose
 * lines are the same, and the texts of addresses.
 */
export class ProcTableReader {
  /** By address * 2^16 + port for IPv4, by text for IPv6. */
  readonly #endpoints = new Map<number | string, Endpoint>();
  readonly #decoder = new TextDecoder('latin1');
  /** By line of the service. */
  #sections: ReadonlyMap<string, Section> = new Map();
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  /** Null: the text is not what this reader knows. */
  read(bytes: Uint8Array): ProcTable | null {
    this.#bytes = bytes;
    this.#at = 0;
    const table = new Map<string, ProcService>();
    const sections = new Map<string, Section>();
    if (!this.#line().startsWith(HEADER)) return null;
    for (let i = 1; i < HEADER_LINES; i++) this.#line();
    let size = 0;
    while (this.#at < bytes.length) {
      const line = this.#line();
      const section = this.#section(line, this.#sections.get(line));
      if (section === null) return null;
      sections.set(line, section);
      size += section.size;
      if (section.service !== null) table.set(section.key, section.service);
    }
    this.#sections = sections;
    // What is in the file makes the cache anew when it is mostly about the past.
    if (this.#endpoints.size > 2 * size + SPARE_ENDPOINTS_MAX) this.#endpoints.clear();
    return table;
  }

  /** The section whose first line has just been read; `before`: what it was in the last file. */
  #section(line: string, before: Section | undefined): Section | null {
    const start = this.#at;
    if (before !== undefined && hasAt(this.#bytes, start, before.bytes)) {
      const end = start + before.bytes.length;
      if (this.#bytes[end] !== SPACE) {
        this.#at = end;
        return before;
      }
    }
    const destinations = new Map<string, ObservedDestination>();
    while (this.#bytes[this.#at] === SPACE) {
      if (!this.#destination(destinations)) return null;
    }
    const service = parseService(line, destinations);
    if (service === undefined) return null;
    // A copy, as a part of the file would hold on to all of it.
    const bytes = Uint8Array.from(this.#bytes.subarray(start, this.#at));
    const key = service === null ? '' : serviceKey(service);
    return { bytes, service, key, size: destinations.size };
  }

  /** The rest of the line, without the spaces at its end. */
  #line(): string {
    const end = this.#bytes.indexOf(NEWLINE, this.#at);
    const stop = end < 0 ? this.#bytes.length : end;
    const text = this.#decoder.decode(this.#bytes.subarray(this.#at, stop)).trimEnd();
    this.#at = stop + 1;
    return text;
  }

  #destination(destinations: Map<string, ObservedDestination>): boolean {
    this.#at += ADDRESS_OFFSET;
    const endpoint = this.#bytes[this.#at] === BRACKET ? this.#ipv6() : this.#ipv4();
    if (endpoint === null) return false;
    this.#skipSpaces();
    const forwarding = FORWARDING.get(this.#bytes[this.#at] ?? 0);
    if (forwarding === undefined) return false;
    while (this.#at < this.#bytes.length && this.#bytes[this.#at] !== SPACE) this.#at++;
    const weight = this.#number();
    const activeConnections = this.#number();
    const inactiveConnections = this.#number();
    if (weight < 0 || activeConnections < 0 || inactiveConnections < 0) return false;
    const { address, port, key } = endpoint;
    destinations.set(key, {
      address,
      port,
      forwarding,
      weight,
      upperThreshold: 0,
      lowerThreshold: 0,
      activeConnections,
      inactiveConnections,
    });
    this.#skipSpaces();
    return this.#bytes[this.#at++] === NEWLINE;
  }

  #ipv4(): Endpoint | null {
    const address = this.#hex(0, 8);
    const port = this.#hex(IPV4_PORT_OFFSET, 4);
    if (address < 0 || port < 0 || this.#bytes[this.#at + 8] !== COLON) return null;
    this.#at += IPV4_END;
    const id = address * 0x10000 + port;
    return this.#endpoints.get(id) ?? this.#remember(id, hexQuad(address), port);
  }

  #ipv6(): Endpoint | null {
    const end = this.#bytes.indexOf(SPACE, this.#at);
    const id = this.#decoder.decode(this.#bytes.subarray(this.#at, end + 1));
    this.#at += id.length;
    const known = this.#endpoints.get(id);
    if (known !== undefined) return known;
    const [, text = '', port = ''] = IPV6_ENDPOINT.exec(id) ?? [];
    const address = parseIpAddress(text);
    return address === null ? null : this.#remember(id, address.text, Number.parseInt(port, 16));
  }

  #remember(id: number | string, address: string, port: number): Endpoint {
    const endpoint = { address, port, key: destinationKey({ address, port }) };
    this.#endpoints.set(id, endpoint);
    return endpoint;
  }

  /** A number of `digits` upper-case hexadecimal digits; -1: there is something else. */
  #hex(offset: number, digits: number): number {
    let value = 0;
    for (let i = this.#at + offset; i < this.#at + offset + digits; i++) {
      const digit = hexDigit(this.#bytes[i] ?? 0);
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }

  /** The next decimal number; -1: there is something else. */
  #number(): number {
    this.#skipSpaces();
    const start = this.#at;
    let value = 0;
    for (; ; this.#at++) {
      const digit = (this.#bytes[this.#at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return this.#at === start ? -1 : value;
      value = value * 10 + digit;
    }
  }

  #skipSpaces(): void {
    while (this.#bytes[this.#at] === SPACE) this.#at++;
  }
}

/** Null: by firewall mark, or of a protocol that we do not know; undefined: malformed. */
function parseService(
  line: string,
  destinations: ReadonlyMap<string, ObservedDestination>,
): ProcService | null | undefined {
  if (MARKED_SERVICE.test(line)) return null;
  const match = SERVICE.exec(line);
  if (match === null) return undefined;
  const [, name = '', addressText = '', port = '', scheduler = '', ops, ticks = '0'] = match;
  const protocol = PROTOCOLS.find((known: Protocol) => known === name.toLowerCase());
  if (protocol === undefined) return null;
  const address = addressText.startsWith('[')
    ? (parseIpAddress(addressText.slice(1, -1))?.text ?? null)
    : hexQuad(Number.parseInt(addressText, 16));
  if (address === null) return undefined;
  return {
    protocol,
    address,
    port: Number.parseInt(port, 16),
    scheduler,
    isOnePacket: ops !== undefined,
    persistenceTicks: Number(ticks),
    destinations,
  };
}

function hasAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  if (at + part.length > bytes.length) return false;
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}

/** Dotted quad of 32 bits. */
function hexQuad(bits: number): string {
  return formatIpAddress(Uint8Array.of(bits >>> 24, bits >>> 16, bits >>> 8, bits));
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= 0x39) return code - ZERO;
  return code >= 0x41 && code <= 0x46 ? code - 0x37 : -1;
}
