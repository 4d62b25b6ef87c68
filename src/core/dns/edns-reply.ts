import type { ClientAddress } from '../guard/client-address.ts';
import { CLIENT_COOKIE_BYTES, COOKIE_BYTES, type ServerCookies } from '../guard/server-cookie.ts';
import { OPT_BYTES, OPTION, TYPE } from './constants.ts';
import type { Query } from './query.ts';
import type { ReplyMessage } from './reply-message.ts';
import { writeU16, writeU32 } from './wire.ts';

/** What a client has shown by its cookies (RFC 7873). */
export const COOKIE = {
  /** It sent none, or we have none to check them with. */
  NONE: 0,
  CLIENT_ONLY: 1,
  /** It has got a reply of ours lately: its address is not forged. */
  VALID: 2,
  /** Not ours, not its own, or too old. */
  INVALID: 3,
} as const;

export type CookieVerdict = (typeof COOKIE)[keyof typeof COOKIE];

/** How a query came; the fields change from packet to packet. */
export interface Asking {
  overTcp: boolean;
  client: ClientAddress;
  /** Whether this client may use the forwarder: RA of its answers. */
  recursionAvailable: boolean;
  /** Wall clock, for cookies. */
  nowSeconds: number;
  /**
   * Most octets over UDP for a client that has not shown by a cookie of ours that its address is
   * its own; at least 512.
   */
  unprovenBytesMax: number;
}

export interface EdnsSettings {
  /** Largest UDP answer and the size we announce (RFC 6891 §6.2.3). */
  readonly udpPayloadSize: number;
  /** Name of this server, for those who ask (RFC 5001); empty: none. */
  readonly nsid: Uint8Array;
  /** How long a connection may be idle (RFC 7828). */
  readonly tcpIdleMs: number;
}

/** Code and length of an option (RFC 6891 §6.1.2). */
const OPTION_HEAD_BYTES = 4;
const COOKIE_OPTION_BYTES = OPTION_HEAD_BYTES + COOKIE_BYTES;
const KEEPALIVE_OPTION_BYTES = OPTION_HEAD_BYTES + 2;
/** Extended error option without text (RFC 8914 §2). */
const EDE_OPTION_BYTES = OPTION_HEAD_BYTES + 2;
/** A line that a person reads; more would only make replies long. */
const EDE_TEXT_BYTES_MAX = 200;
/** tcp-keepalive counts in tenths of a second, with 16 bits. */
const KEEPALIVE_UNIT_MS = 100;
const QUESTION_MARK = 0x3f;

/**
 * The OPT record of a reply. What goes into it is decided before records are written, so that it
 * always fits; one object is used again for every reply.
 */
export class EdnsReply {
  cookie: CookieVerdict = COOKIE.NONE;
  /** Octets that OPT takes without an extended error; 0: the client has no EDNS. */
  bytes = 0;
  readonly #settings: EdnsSettings;
  readonly #cookies: ServerCookies | null;
  readonly #keepaliveUnits: number;
  #dnssecOk = false;
  #nsid = false;
  #keepalive = false;
  /** Where the client cookie stands, and who sent it. */
  #message: Uint8Array = new Uint8Array(0);
  #cookieAt = 0;
  #client: ClientAddress = { family: 4, bytes: new Uint8Array(4), offset: 0 };
  #nowSeconds = 0;

  constructor(settings: EdnsSettings, cookies: ServerCookies | null) {
    this.#settings = settings;
    this.#cookies = cookies;
    this.#keepaliveUnits = Math.min(0xffff, Math.floor(settings.tcpIdleMs / KEEPALIVE_UNIT_MS));
  }

  /** Decides what the reply to `message` needs, but for what `fit` decides. */
  begin(query: Query, message: Uint8Array, asking: Asking): void {
    this.cookie = COOKIE.NONE;
    this.bytes = 0;
    if (!query.edns) return;
    this.bytes = OPT_BYTES;
    this.#dnssecOk = query.dnssecOk;
    if (query.cookieAt !== 0 && this.#cookies !== null) {
      this.#message = message;
      this.#cookieAt = query.cookieAt;
      this.#client = asking.client;
      this.#nowSeconds = asking.nowSeconds;
      this.cookie = this.#judge(this.#cookies, query.cookieLength);
      this.bytes += COOKIE_OPTION_BYTES;
    }
    this.#keepalive = asking.overTcp && query.keepaliveLength >= 0;
    if (this.#keepalive) this.bytes += KEEPALIVE_OPTION_BYTES;
  }

  /** Decides whether a reply with `room` octets behind its question has our name. */
  fit(query: Query, room: number): void {
    if (!query.edns) return;
    const nsidBytes = OPTION_HEAD_BYTES + this.#settings.nsid.length;
    // A long name of ours gives way to a long question.
    this.#nsid = query.nsid && nsidBytes > OPTION_HEAD_BYTES && this.bytes + nsidBytes <= room;
    if (this.#nsid) this.bytes += nsidBytes;
  }

  #judge(cookies: ServerCookies, cookieLength: number): CookieVerdict {
    if (cookieLength === CLIENT_COOKIE_BYTES) return COOKIE.CLIENT_ONLY;
    return cookies.check(
      this.#message,
      this.#cookieAt,
      cookieLength,
      this.#client,
      this.#nowSeconds,
    )
      ? COOKIE.VALID
      : COOKIE.INVALID;
  }

  /**
   * Writes OPT behind the records of a reply that may have `limit` octets. An extended error goes
   * in if it has a code or a text, and if there is room: with as much of the text as fits.
   */
  write(reply: ReplyMessage, rcode: number, ede: number, text: string, limit: number): void {
    const { out, at } = reply;
    out[at] = 0;
    writeU16(out, at + 1, TYPE.OPT);
    writeU16(out, at + 3, this.#settings.udpPayloadSize);
    writeU32(out, at + 5, ((rcode >>> 4) << 24) | (this.#dnssecOk ? 0x8000 : 0));
    let end = at + OPT_BYTES;
    if (this.cookie !== COOKIE.NONE) end = this.#writeCookie(out, end);
    if (this.#nsid) {
      const { nsid } = this.#settings;
      end = writeOptionHead(out, end, OPTION.NSID, nsid.length);
      out.set(nsid, end);
      end += nsid.length;
    }
    if (this.#keepalive) {
      end = writeOptionHead(out, end, OPTION.TCP_KEEPALIVE, 2);
      writeU16(out, end, this.#keepaliveUnits);
      end += 2;
    }
    const textRoom = limit - end - EDE_OPTION_BYTES;
    if ((ede !== 0 || text !== '') && textRoom >= 0) end = writeEde(out, end, ede, text, textRoom);
    writeU16(out, at + 9, end - at - OPT_BYTES);
    reply.at = end;
  }

  #writeCookie(out: Uint8Array, at: number): number {
    const end = writeOptionHead(out, at, OPTION.COOKIE, COOKIE_BYTES);
    const message = this.#message;
    const from = this.#cookieAt;
    if (this.cookie === COOKIE.VALID && !this.#cookies!.isDue(message, from, this.#nowSeconds)) {
      for (let i = 0; i < COOKIE_BYTES; i++) out[end + i] = message[from + i]!;
    } else {
      this.#cookies!.write(out, end, message, from, this.#client, this.#nowSeconds);
    }
    return end + COOKIE_BYTES;
  }
}

/** Returns where the data of the option goes. */
function writeOptionHead(out: Uint8Array, at: number, code: number, size: number): number {
  writeU16(out, at, code);
  writeU16(out, at + 2, size);
  return at + OPTION_HEAD_BYTES;
}

/** Writes an extended error with at most `room` octets of text; other than ASCII is not written. */
function writeEde(out: Uint8Array, at: number, ede: number, text: string, room: number): number {
  const size = Math.min(text.length, room, EDE_TEXT_BYTES_MAX);
  const code = writeOptionHead(out, at, OPTION.EDE, 2 + size);
  writeU16(out, code, ede);
  for (let i = 0; i < size; i++) {
    const unit = text.charCodeAt(i);
    out[code + 2 + i] = unit >= 0x20 && unit < 0x7f ? unit : QUESTION_MARK;
  }
  return code + 2 + size;
}
