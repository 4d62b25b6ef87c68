/** Where and why a text is not JSON. */
export class JsonScanError extends Error {
  constructor(offset: number, expected: string) {
    super(`expected ${expected} at byte ${offset}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/**
 * Deeper nesting than any state has (about 12); the check of skipped values would otherwise cost
 * stack or memory by the depth of hostile input.
 */
const DEPTH_MAX = 200;

/** Whether the JSON text in `octets` from `start` to before `end` is worth reading. */
export type OctetFilter = (octets: Uint8Array, start: number, end: number) => boolean;

/**
 * Members of an object to read: whole, in part, as true if they are there at all, or whole if their
 * text passes a filter. A `word` is a value, too, mostly one of few texts, which are decoded once.
 */
export interface WantedMembers {
  readonly [key: string]: 'value' | 'word' | 'presence' | OctetFilter | WantedMembers;
}

/** Recognised keys and words; a power of two, several times the number that a state has. */
const KEY_SLOTS = 256;

/**
 * Walks JSON (RFC 8259) in UTF-8 without making objects of what nobody asked for: a cluster state
 * is tens of megabytes, most of which is history and resources that names do not need. Values that
 * are asked for are read by `JSON.parse`; skipped ones are only checked for balanced brackets.
 * Every method leaves the position behind what it read; errors are thrown as `JsonScanError` or
 * SyntaxError and end the scan.
 */
export class JsonScanner {
  readonly #bytes: Buffer;
  readonly #keys: string[] = new Array<string>(KEY_SLOTS);
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // A byte order mark, which RFC 8259 §8.1 lets readers ignore.
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3;
  }

  /** What stands here. */
  kind(): 'object' | 'array' | 'other' {
    const octet = this.#peek();
    if (octet === OPEN_OBJECT) return 'object';
    return octet === OPEN_ARRAY ? 'array' : 'other';
  }

  /**
   * Calls `member` for each key of the object here, which must read or skip its value. False, and
   * the value skipped, if here is no object.
   */
  object(member: (key: string) => void): boolean {
    if (this.#peek() !== OPEN_OBJECT) {
      this.skip();
      return false;
    }
    this.#at++;
    if (this.#closes(CLOSE_OBJECT)) return true;
    do {
      if (this.#peek() !== QUOTE) throw new JsonScanError(this.#at, 'a key');
      const key = this.#key();
      if (this.#peek() !== COLON) throw new JsonScanError(this.#at, 'a colon');
      this.#at++;
      member(key);
    } while (this.#continues(CLOSE_OBJECT, 'a comma or a closing brace'));
    return true;
  }

  /**
   * Calls `element` for each element of the list here, which must read or skip it. False, and the
   * value skipped, if here is no list.
   */
  array(element: (index: number) => void): boolean {
    if (this.#peek() !== OPEN_ARRAY) {
      this.skip();
      return false;
    }
    this.#at++;
    if (this.#closes(CLOSE_ARRAY)) return true;
    let index = 0;
    do element(index++);
    while (this.#continues(CLOSE_ARRAY, 'a comma or a closing bracket'));
    return true;
  }

  /** The `wanted` part of the value here; anything but an object is returned as it is. */
  pick(wanted: WantedMembers): unknown {
    if (this.#peek() !== OPEN_OBJECT) return this.value();
    const picked: Record<string, unknown> = {};
    this.object((key) => {
      const want = Object.hasOwn(wanted, key) ? wanted[key] : undefined;
      if (want === 'value') picked[key] = this.value();
      else if (want === 'word') picked[key] = this.#word();
      else if (typeof want === 'object') picked[key] = this.pick(want);
      else if (typeof want === 'function') picked[key] = this.#valueIf(want);
      else {
        this.skip();
        if (want === 'presence') picked[key] = true;
      }
    });
    return picked;
  }

  /** The value here, as `JSON.parse` has it. */
  value(): unknown {
    this.#peek();
    const start = this.#at;
    const isPlain = this.#skipValue();
    // Most strings need no unescaping; latin1 is the fastest decoding of ASCII.
    if (isPlain) return this.#bytes.toString('latin1', start + 1, this.#at - 1);
    return JSON.parse(this.#bytes.toString('utf8', start, this.#at));
  }

  #word(): unknown {
    return this.#peek() === QUOTE ? this.#key() : this.value();
  }

  /** The value here if its text passes the filter, else undefined. */
  #valueIf(filter: OctetFilter): unknown {
    this.#peek();
    const start = this.#at;
    this.#skipValue();
    if (!filter(this.#bytes, start, this.#at)) return undefined;
    this.#at = start;
    return this.value();
  }

  /** Passes over the value here. */
  skip(): void {
    this.#peek();
    this.#skipValue();
  }

  /** Nothing but white space may follow. */
  end(): void {
    if (this.#peek() !== undefined) throw new JsonScanError(this.#at, 'the end');
  }

  /** First octet of the next token; undefined at the end. */
  #peek(): number | undefined {
    for (;;) {
      const octet = this.#bytes[this.#at];
      if (octet !== 0x20 && octet !== 0x0a && octet !== 0x0d && octet !== 0x09) return octet;
      this.#at++;
    }
  }

  /**
   * The key or word here. The same few come 100,000 times: one that was decoded before is recognised
   * by its octets, which is much cheaper than decoding it again.
   */
  #key(): string {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    let hash = 0;
    let end = start;
    for (let octet = bytes[end]; octet !== QUOTE; octet = bytes[++end]) {
      if (octet === undefined || octet === BACKSLASH) return this.value() as string;
      hash = (Math.imul(hash, 31) + octet) | 0;
    }
    const slot = hash & (KEY_SLOTS - 1);
    const known = this.#keys[slot];
    if (known !== undefined && this.#spells(known, start, end)) {
      this.#at = end + 1;
      return known;
    }
    const key = this.value() as string;
    this.#keys[slot] = key;
    return key;
  }

  #spells(text: string, start: number, end: number): boolean {
    if (text.length !== end - start) return false;
    for (let i = 0; i < text.length; i++) {
      if (text.charCodeAt(i) !== this.#bytes[start + i]) return false;
    }
    return true;
  }

  #closes(bracket: number): boolean {
    if (this.#peek() !== bracket) return false;
    this.#at++;
    return true;
  }

  #continues(bracket: number, expected: string): boolean {
    const octet = this.#peek();
    if (octet !== COMMA && octet !== bracket) throw new JsonScanError(this.#at, expected);
    this.#at++;
    return octet === COMMA;
  }

  /** True if the value is a string of printable ASCII without escapes. */
  #skipValue(): boolean {
    const octet = this.#bytes[this.#at];
    if (octet === QUOTE) return this.#skipString();
    if (octet === OPEN_OBJECT || octet === OPEN_ARRAY) this.#skipNested();
    else this.#skipLiteral();
    return false;
  }

  #skipString(): boolean {
    const bytes = this.#bytes;
    let at = this.#at + 1;
    let isPlain = true;
    for (;;) {
      const octet = bytes[at++];
      if (octet === QUOTE) break;
      if (octet === undefined) throw new JsonScanError(this.#at, 'a string that ends');
      if (octet === BACKSLASH) {
        isPlain = false;
        at++;
      } else if (octet < 0x20 || octet > 0x7e) {
        isPlain = false;
      }
    }
    this.#at = at;
    return isPlain;
  }

  #skipNested(): void {
    const bytes = this.#bytes;
    const closers: number[] = [];
    do {
      const octet = bytes[this.#at];
      if (octet === QUOTE) {
        this.#skipString();
        continue;
      }
      if (octet === undefined) throw new JsonScanError(this.#at, 'a closing bracket');
      if (octet === OPEN_OBJECT || octet === OPEN_ARRAY) {
        if (closers.length === DEPTH_MAX) throw new JsonScanError(this.#at, 'less nesting');
        // The brackets of ASCII stand two apart.
        closers.push(octet + 2);
      } else if (octet === CLOSE_OBJECT || octet === CLOSE_ARRAY) {
        if (closers.pop() !== octet) throw new JsonScanError(this.#at, 'the other bracket');
      }
      this.#at++;
    } while (closers.length > 0);
  }

  #skipLiteral(): void {
    const start = this.#at;
    for (;;) {
      const octet = this.#bytes[this.#at];
      const isLiteral =
        octet !== undefined &&
        ((octet >= 0x30 && octet <= 0x39) ||
          (octet >= 0x61 && octet <= 0x7a) ||
          octet === 0x2d ||
          octet === 0x2b ||
          octet === 0x2e ||
          octet === 0x45);
      if (!isLiteral) break;
      this.#at++;
    }
    if (this.#at === start) throw new JsonScanError(start, 'a value');
  }
}
