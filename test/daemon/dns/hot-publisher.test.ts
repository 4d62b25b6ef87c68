import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Query } from '../../../src/core/dns/query.ts';
import { STORED } from '../../../src/core/dns/stored-reply.ts';
import { HotReplies } from '../../../src/core/forward/hot-replies.ts';
import { packReply } from '../../../src/core/forward/pack-reply.ts';
import { questionKey } from '../../../src/core/forward/question-key.ts';
import { HotPublisher } from '../../../src/daemon/dns/hot-publisher.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { buildMessage } from '../../support/dns-message.ts';
import { addresses, question } from './resolver-rig.ts';
import { PACK_RULES } from '../../support/stored-reply.ts';

const nameOf = (number: number): string => `x${number}.org.`;

/** A publisher with one reader. */
class Readers {
  readonly clock: ManualClock = new ManualClock();
  readonly publisher: HotPublisher;
  replies: HotReplies;
  published = 0;

  constructor(bytes: number) {
    const publish = (buffer: SharedArrayBuffer): void => {
      this.replies = new HotReplies(buffer);
      this.published++;
    };
    this.publisher = new HotPublisher({ clock: this.clock, publish }, bytes);
    this.replies = new HotReplies(this.publisher.buffer);
  }

  put(name: string, ttl = 60, count = 1): Uint32Array {
    const asked = question(name);
    const message = buildMessage(addresses(name, ttl, count));
    const reply = packReply(asked, message, PACK_RULES, Math.floor(this.clock.monotonic() / 1000));
    assert.ok(reply !== null);
    this.publisher.put(questionKey(asked), reply);
    return reply;
  }

  /** Offset of the reply, 0 if there is none. */
  find(name: string): number {
    const query = new Query();
    const message = buildMessage({ qname: name });
    query.parse(message, message.length);
    return this.replies.find(query, 4);
  }

  /** Gives the reply, as a thread does. */
  read(name: string): void {
    const at = this.find(name);
    assert.notEqual(at, 0, name);
    this.replies.countHit(at);
  }

  hits(name: string): number {
    return this.publisher.hits(questionKey(question(name)));
  }

  has(name: string): boolean {
    return this.publisher.get(questionKey(question(name))) !== undefined;
  }

  /** The last reply has begun a move, or there has been one. */
  hasBegun(): boolean {
    return this.published > 0 || this.clock.pending > 0;
  }

  /** Puts replies in and reads them until the memory is full. */
  fillWithRead(): void {
    for (let i = 0; !this.hasBegun(); i++) {
      this.put(nameOf(i));
      if (!this.hasBegun()) this.read(nameOf(i));
    }
  }

  /** Puts replies in until the memory is full; returns how many there are. */
  fill(nameFor = nameOf): number {
    const before = this.published;
    let count = 0;
    while (this.published === before && this.clock.pending === 0) this.put(nameFor(count++));
    return count;
  }
}

test('readers find what was put in, and what they give is counted', () => {
  const readers = new Readers(16_384);
  const reply = readers.put('a.org.');
  readers.read('a.org.');
  readers.read('a.org.');
  assert.equal(readers.hits('a.org.'), 2);
  assert.equal(reply[STORED.HITS], 0, 'in their copy');
  assert.equal(readers.hits('b.org.'), 0);
  assert.deepEqual([readers.has('a.org.'), readers.has('b.org.')], [true, false]);
});

test('what was given before a reply became hot is not counted again', () => {
  const readers = new Readers(16_384);
  const asked = question('a.org.');
  const reply = packReply(asked, buildMessage(addresses('a.org.')), PACK_RULES, 0);
  assert.ok(reply !== null);
  reply[STORED.HITS] = 5;
  readers.publisher.put(questionKey(asked), reply);
  readers.read('a.org.');
  assert.equal(readers.hits('a.org.'), 1);
});

test('a reply is put in once, a newer one takes its place', () => {
  const readers = new Readers(16_384);
  const asked = question('a.org.');
  const reply = readers.put('a.org.', 60);
  const used = readers.replies.usedBytes;
  readers.publisher.put(questionKey(asked), reply);
  assert.equal(readers.replies.usedBytes, used);
  readers.read('a.org.');
  const at = readers.find('a.org.');
  readers.put('a.org.', 61);
  assert.notEqual(readers.find('a.org.'), at);
  assert.equal(readers.hits('a.org.'), 0);
  assert.equal(readers.publisher.size, 1);
});

test('a reply that is too long for UDP in any case is left out', () => {
  const readers = new Readers(16_384);
  readers.put('a.org.', 60, 600);
  assert.ok(!readers.has('a.org.'));
});

test('when the memory is full, what was read since and is good goes on in another one', () => {
  const readers = new Readers(16_384);
  readers.put('read.org.');
  readers.put('unread.org.');
  readers.put('ended.org.', 1);
  readers.read('read.org.');
  readers.read('ended.org.');
  readers.clock.advance(1_000);
  const count = readers.fill();
  assert.equal(readers.published, 1);
  assert.notEqual(readers.find('read.org.'), 0);
  assert.equal(readers.find('unread.org.'), 0);
  assert.equal(readers.find('ended.org.'), 0);
  // The one that found no room is the first new one.
  assert.notEqual(readers.find(nameOf(count - 1)), 0);
  assert.equal(readers.publisher.size, 2);
  assert.ok(!readers.has('unread.org.'));
});

test('reads are counted from move to move', () => {
  const readers = new Readers(16_384);
  readers.put('a.org.');
  readers.read('a.org.');
  readers.fill();
  assert.equal(readers.hits('a.org.'), 0);
  readers.fill();
  assert.equal(readers.find('a.org.'), 0, 'nobody read it since');
});

test('although all are read, a quarter of the memory is free after a move', () => {
  const readers = new Readers(16_384);
  readers.fillWithRead();
  const left = readers.publisher.size;
  const more = readers.fill((number) => `y${number}.org.`);
  assert.ok(more > left / 4, `${more} new ones after ${left}`);
});

test('a large memory moves in steps, and readers keep the old one until all is there', () => {
  const readers = new Readers(1_000_000);
  readers.fillWithRead();
  assert.equal(readers.published, 0);
  assert.notEqual(readers.find(nameOf(0)), 0);
  // What comes meanwhile goes into the new one, and wins over what is moved.
  const newer = readers.put(nameOf(1_000), 77);
  readers.put('late.org.');
  assert.equal(readers.find('late.org.'), 0);
  assert.ok(readers.has('late.org.'));
  for (let i = 0; readers.clock.pending > 0; i++) {
    assert.ok(i < 100, 'the move ends');
    readers.clock.advance(0);
  }
  for (const name of [nameOf(0), nameOf(499), nameOf(1_000), 'late.org.']) {
    assert.notEqual(readers.find(name), 0, name);
  }
  const at = readers.find(nameOf(1_000)) >>> 2;
  assert.equal(readers.replies.words[at + STORED.EXPIRES_AT], newer[STORED.EXPIRES_AT]);
});

test('what comes again during a move is put in once, and takes no room from others', () => {
  const sizeAfter = (times: number): number => {
    const readers = new Readers(1_000_000);
    readers.fillWithRead();
    const reply = readers.put('late.org.');
    for (let i = 0; i < times; i++) {
      readers.publisher.put(questionKey(question('late.org.')), reply);
    }
    while (readers.clock.pending > 0) readers.clock.advance(0);
    return readers.publisher.size;
  };
  assert.equal(sizeAfter(50), sizeAfter(1));
});

test('clearing takes everything out, ends a move, and may change the size', () => {
  const readers = new Readers(1_000_000);
  readers.fill();
  assert.equal(readers.clock.pending, 1);
  readers.publisher.clear(16_384);
  assert.deepEqual(
    [readers.clock.pending, readers.publisher.size, readers.replies.count],
    [0, 0, 0],
  );
  assert.equal(readers.publisher.buffer.byteLength, 16_384);
  assert.equal(readers.replies.words.buffer, readers.publisher.buffer);
});

test('what is forgotten is read to its end, and moves no more', () => {
  const readers = new Readers(16_384);
  readers.put('a.org.');
  readers.publisher.forget(questionKey(question('a.org.')));
  assert.ok(!readers.has('a.org.'));
  readers.read('a.org.');
  const key = questionKey(question('a.org.'));
  assert.ok(
    readers.publisher.some((one) => one === key),
    'a flush has to take it out',
  );
  readers.fill();
  assert.equal(readers.find('a.org.'), 0);
});

test('a closed one moves no more', () => {
  const readers = new Readers(1_000_000);
  readers.fill();
  readers.publisher.close();
  assert.equal(readers.clock.pending, 0);
});
