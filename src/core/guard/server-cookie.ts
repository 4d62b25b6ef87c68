import { SipHash } from '../base/siphash.ts';
import type { ClientAddress } from './client-address.ts';

/** Octets of a client cookie (RFC 7873 §4.1). */
export const CLIENT_COOKIE_BYTES = 8;
/** Octets of client and server cookie together, as they stand in an option (RFC 9018 §4). */
export const COOKIE_BYTES = 24;

/** Version, three reserved octets and the time stand between client cookie and hash. */
const VERSION = 1;
const TIMESTAMP_AT = 12;
const HASH_AT = 16;
const ADDRESS_BYTES_MAX = 16;

/** How old a cookie may be, how far ahead of our clock, and when a new one is given: RFC 9018 §4.3. */
const AGE_SECONDS_MAX = 3600;
const AHEAD_SECONDS_MAX = 300;
const RENEWAL_SECONDS = 1800;

/**
 * Makes and checks server cookies (RFC 9018), by which a client shows that it gets what is sent to
 * its address. All servers with the same secret know each other's. Times are seconds of the wall
 * clock; nothing is kept for a client, and nothing allocated.
 */
export class ServerCookies {
  readonly #hash: SipHash;
  readonly #input = new Uint8Array(HASH_AT + ADDRESS_BYTES_MAX);

  /** `secret` has 16 octets. */
  constructor(secret: Uint8Array) {
    this.#hash = new SipHash(secret);
  }

  /** Writes COOKIE_BYTES at `at`: the client cookie of `message`, and a new server cookie for it. */
  write(
    out: Uint8Array,
    at: number,
    message: Uint8Array,
    clientCookieAt: number,
    client: ClientAddress,
    nowSeconds: number,
  ): void {
    for (let i = 0; i < CLIENT_COOKIE_BYTES; i++) out[at + i] = message[clientCookieAt + i]!;
    out[at + CLIENT_COOKIE_BYTES] = VERSION;
    for (let i = CLIENT_COOKIE_BYTES + 1; i < TIMESTAMP_AT; i++) out[at + i] = 0;
    for (let i = 0; i < 4; i++) out[at + TIMESTAMP_AT + i] = nowSeconds >>> (24 - 8 * i);
    this.#hashOf(out, at, client);
    for (let i = 0; i < 8; i++) out[at + HASH_AT + i] = this.#hashOctet(i);
  }

  /**
   * Whether the `length` octets at `cookieAt` of `message`, client and server cookie, are ours, for
   * this client, and not too old. Takes the same time wherever the hash differs.
   */
  check(
    message: Uint8Array,
    cookieAt: number,
    length: number,
    client: ClientAddress,
    nowSeconds: number,
  ): boolean {
    if (length !== COOKIE_BYTES || message[cookieAt + CLIENT_COOKIE_BYTES] !== VERSION) {
      return false;
    }
    const age = ageOf(message, cookieAt, nowSeconds);
    if (age > AGE_SECONDS_MAX || age < -AHEAD_SECONDS_MAX) return false;
    this.#hashOf(message, cookieAt, client);
    let difference = 0;
    for (let i = 0; i < 8; i++) difference |= message[cookieAt + HASH_AT + i]! ^ this.#hashOctet(i);
    return difference === 0;
  }

  /** Whether a cookie that `check` has found good is so old that the client should get a new one. */
  isDue(message: Uint8Array, cookieAt: number, nowSeconds: number): boolean {
    return ageOf(message, cookieAt, nowSeconds) > RENEWAL_SECONDS;
  }

  /** Hashes everything before the hash, reserved octets as they are, and the address. */
  #hashOf(cookie: Uint8Array, at: number, { family, bytes, offset }: ClientAddress): void {
    const input = this.#input;
    const addressBytes = family === 4 ? 4 : ADDRESS_BYTES_MAX;
    for (let i = 0; i < HASH_AT; i++) input[i] = cookie[at + i]!;
    for (let i = 0; i < addressBytes; i++) input[HASH_AT + i] = bytes[offset + i]!;
    this.#hash.hash(input, 0, HASH_AT + addressBytes);
  }

  #hashOctet(i: number): number {
    return ((i < 4 ? this.#hash.low : this.#hash.high) >>> (8 * (i & 3))) & 0xff;
  }
}

/** Seconds since a cookie was made, in serial number arithmetic (RFC 1982): its time has 32 bits. */
function ageOf(message: Uint8Array, cookieAt: number, nowSeconds: number): number {
  const at = cookieAt + TIMESTAMP_AT;
  const madeAt =
    (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
  return (nowSeconds - madeAt) | 0;
}
