import { assert } from '../base/assert.ts';
import { padded } from './message.ts';

const HEADER_BYTES = 4;
/** NLA_F_NESTED. */
const NESTED = 0x8000;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;
/** Most bodies fit; those that do not grow it. */
const CAPACITY_BYTES = 256;

/**
 * Writes the body of a message: a fixed header, then attributes (include/uapi/linux/netlink.h):
 * 16 bits of length without the padding, 16 bits of type, payload padded to 4 octets.
 */
export class AttributeWriter {
  #bytes = new Uint8Array(CAPACITY_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** `header`: what the message has before its attributes; a multiple of 4 octets. */
  constructor(header: Uint8Array) {
    assert(header.length === padded(header.length), 'attributes are aligned');
    this.#reserve(header.length);
    this.#bytes.set(header, 0);
    this.#length = header.length;
  }

  bytes(type: number, payload: Uint8Array): this {
    const at = this.#open(type, payload.length);
    this.#bytes.set(payload, at);
    return this;
  }

  u8(type: number, value: number): this {
    const at = this.#open(type, 1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(type: number, value: number): this {
    const at = this.#open(type, 2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  /** In network byte order, as ports are. */
  u16be(type: number, value: number): this {
    const at = this.#open(type, 2);
    this.#view.setUint16(at, value, false);
    return this;
  }

  u32(type: number, value: number): this {
    const at = this.#open(type, 4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  /** ASCII with a zero octet at the end. */
  text(type: number, value: string): this {
    const at = this.#open(type, value.length + 1);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      assert(code > 0 && code < 0x80, 'names in attributes are ASCII');
      this.#bytes[at + i] = code;
    }
    return this;
  }

  /** An attribute that consists of those that `write` writes. */
  nest(type: number, write: (writer: this) => void): this {
    const start = this.#length;
    this.#open(type | NESTED, 0);
    write(this);
    this.#view.setUint16(start, this.#length - start, true);
    return this;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Writes a header and returns where the payload goes; what pads it is zero. */
  #open(type: number, size: number): number {
    const start = this.#length;
    const end = start + padded(HEADER_BYTES + size);
    this.#reserve(end);
    this.#view.setUint16(start, HEADER_BYTES + size, true);
    this.#view.setUint16(start + 2, type, true);
    this.#length = end;
    return start + HEADER_BYTES;
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Attributes of a message, or of an attribute, by type; of several of one type the last. */
export class Attributes {
  readonly #payloads = new Map<number, Uint8Array>();

  /** Reads the attributes from `offset` on; null if they are malformed. */
  static parse(bytes: Uint8Array, offset = 0): Attributes | null {
    const attributes = new Attributes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = offset;
    while (at + HEADER_BYTES <= bytes.length) {
      const length = view.getUint16(at, true);
      if (length < HEADER_BYTES || at + length > bytes.length) return null;
      const type = view.getUint16(at + 2, true) & TYPE_MASK;
      attributes.#payloads.set(type, bytes.subarray(at + HEADER_BYTES, at + length));
      at += padded(length);
    }
    return at >= bytes.length ? attributes : null;
  }

  /** Payload of an attribute with at least `size` octets. */
  bytes(type: number, size = 0): Uint8Array | null {
    const payload = this.#payloads.get(type);
    return payload === undefined || payload.length < size ? null : payload;
  }

  u8(type: number): number | null {
    return this.bytes(type, 1)?.[0] ?? null;
  }

  u16(type: number): number | null {
    return this.#view(type, 2)?.getUint16(0, true) ?? null;
  }

  /** In network byte order. */
  u16be(type: number): number | null {
    return this.#view(type, 2)?.getUint16(0, false) ?? null;
  }

  u32(type: number): number | null {
    return this.#view(type, 4)?.getUint32(0, true) ?? null;
  }

  /** A number of 4 or 8 octets; beyond 2^53 rounded. */
  counter(type: number): number | null {
    const view = this.#view(type, 4);
    if (view === null) return null;
    const low = view.getUint32(0, true);
    return view.byteLength < 8 ? low : low + view.getUint32(4, true) * 2 ** 32;
  }

  /** ASCII up to the first zero octet. */
  text(type: number): string | null {
    const payload = this.bytes(type);
    if (payload === null) return null;
    const zero = payload.indexOf(0);
    return String.fromCharCode(...payload.subarray(0, zero < 0 ? payload.length : zero));
  }

  nested(type: number): Attributes | null {
    const payload = this.bytes(type);
    return payload === null ? null : Attributes.parse(payload);
  }

  #view(type: number, size: number): DataView | null {
    const payload = this.bytes(type, size);
    return payload === null
      ? null
      : new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  }
}
