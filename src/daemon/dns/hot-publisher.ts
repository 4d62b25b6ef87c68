import { STORED } from '../../core/dns/stored-reply.ts';
import { Query } from '../../core/dns/query.ts';
import { HotReplies } from '../../core/forward/hot-replies.ts';
import { storedName } from '../../core/forward/question-key.ts';
import type { Clock } from '../../core/ports.ts';

export interface HotPublisherParts {
  readonly clock: Clock;
  /** From now on readers look into this buffer. */
  publish(replies: SharedArrayBuffer): void;
}

/** A longer reply is cut for every client over UDP, which then asks over TCP and so here. */
const REPLY_BYTES_MAX = 8_192;
/**
 * Replies copied at a time when the buffer is full, each in some 4 µs: packets that wait meanwhile
 * do not notice.
 */
const COPIED_AT_ONCE = 250;
/**
 * How much of a buffer is filled by copying, so that the next one is due only after a quarter of
 * new replies: each of them costs three copies at most.
 */
const COPIED_SHARE = 0.75;

/**
 * One entry for so many octets of the buffer: each costs about three times as much beside it, and a
 * node asks for some thousands of names again and again, not for tens of thousands.
 */
const ENTRY_SHARE_BYTES = 256;

interface HotReply {
  readonly reply: Uint32Array;
  /** Its HITS when it was put in. */
  readonly hitsBefore: number;
  /** Readers have it still, but it counts as gone. */
  isForgotten: boolean;
}

/** A buffer and what is in it. */
interface Room {
  readonly buffer: SharedArrayBuffer;
  readonly replies: HotReplies;
  /** By `questionKey`; ended ones are among them. */
  readonly entries: Map<string, HotReply>;
  /** Octets of all that was put in. */
  bytes: number;
}

/**
 * Gives the threads that answer over UDP the replies that are asked for often. Their memory only
 * grows: when it is full, those that were read since and are still good move into another one,
 * which is published as a whole.
 */
export class HotPublisher {
  readonly #parts: HotPublisherParts;
  readonly #query = new Query();
  #bufferBytes: number;
  /** What readers look into. */
  #room: Room;
  /** Where replies are moving to. */
  #next: Room | null = null;
  #cancelMove: () => void = () => undefined;

  /** `bufferBytes`: size of the memory; twice that while replies move. */
  constructor(parts: HotPublisherParts, bufferBytes: number) {
    this.#parts = parts;
    this.#bufferBytes = bufferBytes;
    this.#room = emptyRoom(bufferBytes);
  }

  get buffer(): SharedArrayBuffer {
    return this.#room.buffer;
  }

  /** Questions whose replies are in it, ended ones included. */
  get size(): number {
    return this.#room.entries.size;
  }

  /** The reply to this question, also one that has ended. */
  get(key: string): Uint32Array | undefined {
    const entry = this.#next?.entries.get(key) ?? this.#room.entries.get(key);
    return entry?.isForgotten === false ? entry.reply : undefined;
  }

  /** Readers keep it to its end, but it is not known here any more. */
  forget(key: string): void {
    for (const entry of [this.#next?.entries.get(key), this.#room.entries.get(key)]) {
      if (entry !== undefined) entry.isForgotten = true;
    }
  }

  /** Whether readers may find a reply to a question that matches. */
  some(matches: (key: string) => boolean): boolean {
    const moved = this.#next?.entries.keys() ?? [];
    return [...this.#room.entries.keys(), ...moved].some(matches);
  }

  /** Times that readers gave the reply to this question. */
  hits(key: string): number {
    const entry = this.#room.entries.get(key);
    return entry === undefined ? 0 : this.#hitsOf(entry);
  }

  /** Puts a reply in, in place of an older one to the same question. */
  put(key: string, reply: Uint32Array): void {
    if (reply[STORED.BYTES]! > REPLY_BYTES_MAX) return;
    if (this.#next?.entries.get(key)?.reply === reply) return;
    // Others with the same hash may have pushed it out.
    if (this.#room.entries.get(key)?.reply === reply && this.#find(reply) !== 0) return;
    if (this.#next === null) {
      if (add(this.#room, key, reply)) return;
      this.#startMove();
    }
    // Without room even there it stays in the cache, and is put in when it is asked for again.
    add(this.#next ?? this.#room, key, reply);
  }

  /** Takes everything out; `bufferBytes` is the size from now on. */
  clear(bufferBytes: number = this.#bufferBytes): void {
    this.close();
    this.#bufferBytes = bufferBytes;
    this.#publish(emptyRoom(bufferBytes));
  }

  /** Ends a move. */
  close(): void {
    this.#cancelMove();
    this.#next = null;
  }

  #startMove(): void {
    this.#next = emptyRoom(this.#bufferBytes);
    this.#move(this.#next, this.#room.entries.entries());
  }

  #move(next: Room, rest: Iterator<[string, HotReply]>): void {
    const nowSeconds = Math.floor(this.#parts.clock.monotonic() / 1000);
    const bytesMax = this.#room.bytes * COPIED_SHARE;
    for (let i = 0; i < COPIED_AT_ONCE; i++) {
      const one = rest.next();
      if (one.done === true) {
        this.#next = null;
        this.#publish(next);
        return;
      }
      const [key, entry] = one.value;
      const { reply } = entry;
      const isGood = reply[STORED.EXPIRES_AT]! > nowSeconds && this.#hitsOf(entry) > 0;
      const fits = next.bytes + reply[STORED.BYTES]! <= bytesMax;
      // A newer reply may have come meanwhile.
      if (isGood && fits && !entry.isForgotten && !next.entries.has(key)) add(next, key, reply);
    }
    this.#cancelMove = this.#parts.clock.after(0, () => this.#move(next, rest));
  }

  #publish(room: Room): void {
    this.#room = room;
    this.#parts.publish(room.buffer);
  }

  /** Readers count in their copy of the reply. */
  #hitsOf({ reply, hitsBefore }: HotReply): number {
    const at = this.#find(reply);
    return at === 0 ? 0 : this.#room.replies.hits(at) - hitsBefore;
  }

  /** Where readers find the reply to the same question; 0: nowhere. */
  #find(reply: Uint32Array): number {
    const query = this.#query;
    const name = storedName(reply);
    query.name.set(name);
    query.nameLength = name.length;
    query.hash = reply[STORED.HASH]!;
    query.qtype = reply[STORED.KEY]! >>> 16;
    return this.#room.replies.find(query, (reply[STORED.KEY]! >>> 8) & 0xff);
  }
}

function emptyRoom(bufferBytes: number): Room {
  const buffer = HotReplies.create(bufferBytes);
  return { buffer, replies: new HotReplies(buffer), entries: new Map(), bytes: 0 };
}

/** False if there is no room left. */
function add(room: Room, key: string, reply: Uint32Array): boolean {
  const isNew = !room.entries.has(key);
  if (isNew && room.entries.size >= room.buffer.byteLength / ENTRY_SHARE_BYTES) return false;
  if (!room.replies.put(reply)) return false;
  room.entries.set(key, { reply, hitsBefore: reply[STORED.HITS]!, isForgotten: false });
  room.bytes += reply[STORED.BYTES]!;
  return true;
}
