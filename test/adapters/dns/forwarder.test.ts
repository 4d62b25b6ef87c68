import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { readMessage, u16 } from '../../support/dns-message.ts';
import { closedPort, until } from '../../support/dns-peer.ts';
import type { ReceivedQuery } from '../../support/dns-peer.ts';
import {
  DEADLINE_MS,
  QUERY,
  RESPONSE,
  TIMEOUT_MS,
  addresses,
  asked,
  openRig,
  outcomes,
  queryFor,
  rejection,
  replyTo,
  silent,
  withRcode,
} from './forwarder-rig.ts';

/** The letters of a question, without what makes them capitals. */
const lowerName = (message: Uint8Array): string => (readMessage(message).qname ?? '').toLowerCase();

for (const host of ['127.0.0.1', '::1']) {
  test(`a query goes to ${host} as it is but for its id and capitals, the reply comes back`, async (t) => {
    const { forwarder, exchanges, upstream } = openRig(t);
    const main = await upstream(addresses(2, { opt: { size: 1232 } }), host);
    const query = queryFor('some-rather-long.name.example.', { qtype: 65, dnssecOk: true });
    const reply = await forwarder.ask(query, [main.address], DEADLINE_MS);
    assert.equal(readMessage(reply).answer.length, 2);
    assert.equal(main.received.length, 1);
    const sent = main.received[0]?.message ?? new Uint8Array(0);
    const nameEnd = query.length - 4 - 11;
    assert.deepEqual(sent.subarray(2, 12), query.subarray(2, 12));
    assert.deepEqual(sent.subarray(nameEnd), query.subarray(nameEnd));
    assert.equal(lowerName(sent), 'some-rather-long.name.example.');
    assert.deepEqual(outcomes(exchanges), ['udp rcode 0']);
    const text = host.includes(':') ? `[${host}]` : host;
    assert.equal(exchanges[0]?.to, `${text}:${main.address.port}`);
  });
}

test('the caller gets its own id and letters back, with the upstream’s flags and OPT', async (t) => {
  const { forwarder, upstream } = openRig(t);
  const flags = FLAG.QR | FLAG.AA | FLAG.AD | RCODE.NXDOMAIN;
  const main = await upstream((query, reply) =>
    reply(replyTo(query, { flags, opt: { size: 512, options: u16(15, 0) } })),
  );
  const query = queryFor('ok.example.');
  query.set([0x12, 0x34]);
  const reply = readMessage(await forwarder.ask(query, [main.address], DEADLINE_MS));
  assert.deepEqual([reply.id, reply.flags, reply.qname], [0x1234, flags, 'ok.example.']);
  assert.deepEqual(reply.opt, { size: 512, options: '000f0000' });
});

test('every exchange has its own id, port and capitals', async (t) => {
  const { forwarder, upstream } = openRig(t);
  const main = await upstream(addresses(1));
  const queries = Array.from({ length: 100 }, (_, n) =>
    forwarder.ask(queryFor(`n${n}.twenty-one-letters.example.`), [main.address], DEADLINE_MS),
  );
  assert.equal(forwarder.inflight, 100);
  await Promise.all(queries);
  const ids = new Set(main.received.map(({ message }) => readMessage(message).id));
  const ports = new Set(main.received.map(({ source }) => source.port));
  const capitals = new Set(
    main.received.map(({ message }) => (readMessage(message).qname ?? '').replace(/\d/g, '')),
  );
  // Of 65,536 ids, 100 draws repeat 3 or more with a chance of 1 in 10^5; of 2^26 capitals none.
  assert.ok(ids.size > 97, `${ids.size} ids`);
  assert.equal(ports.size, 100);
  assert.equal(capitals.size, 100);
});

test('the caller may reuse the buffer of the query at once', async (t) => {
  const { forwarder, upstream } = openRig(t);
  const main = await upstream(addresses(1));
  const buffer = Buffer.from(QUERY);
  const answer = forwarder.ask(buffer, [main.address], DEADLINE_MS);
  buffer.fill(0xff);
  assert.equal(readMessage(await answer).qname, 'ok.example.');
});

test('replies with another id or another question are ignored until the right one comes', async (t) => {
  const { forwarder, exchanges, upstream } = openRig(t);
  const main = await upstream((query, reply) => {
    const { id } = readMessage(query.message);
    for (let i = 1; i <= 8; i++) reply(replyTo(query, { id: id ^ i, answer: [] }));
    reply(replyTo(query, { qname: 'evil.example.' }));
    reply(replyTo(query, { qtype: TYPE.AAAA }));
    reply(replyTo(query, { flags: FLAG.RD }));
    reply(new Uint8Array(3));
    addresses(3)(query, reply);
  });
  const reply = readMessage(await forwarder.ask(QUERY, [main.address], DEADLINE_MS));
  assert.equal(reply.answer.length, 3);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0']);
});

test('forged replies from another port or address never reach the exchange', async (t) => {
  const { forwarder, exchanges, upstream } = openRig(t);
  const held: [ReceivedQuery, (message: Uint8Array) => void][] = [];
  const main = await upstream((query, reply) => held.push([query, reply]));
  const forger = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => forger.close());
  await once(forger, 'listening');
  const answer = forwarder.ask(QUERY, [main.address], DEADLINE_MS);
  await until(() => held.length === 1, 'the query');
  const [query, reply] = held[0] ?? assert.fail();
  // With the right id, and with more wrong ones than an exchange may see.
  for (let i = 0; i < 500; i++) {
    const forged = replyTo(query, { id: i === 0 ? readMessage(query.message).id : i });
    await new Promise((resolve) => forger.send(forged, query.source.port, '127.0.0.1', resolve));
  }
  addresses(2)(query, reply);
  assert.equal(readMessage(await answer).answer.length, 2);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0']);
});

test('after 20 wrong replies the same upstream is asked over TCP, where guessing is hard', async (t) => {
  const { forwarder, exchanges, upstream } = openRig(t);
  const main = await upstream((query, reply) => {
    if (query.protocol === 'tcp') {
      addresses(4)(query, reply);
      return;
    }
    const { id } = readMessage(query.message);
    for (let i = 1; i <= 20; i++) reply(replyTo(query, { id: id ^ i }));
  });
  const reply = await forwarder.ask(QUERY, [main.address], DEADLINE_MS);
  assert.equal(readMessage(reply).answer.length, 4);
  assert.deepEqual(outcomes(exchanges), ['udp strays', 'tcp rcode 0']);
});

test('a datagram that was lost is sent again, once, and the same', async (t) => {
  const { clock, exchanges, outcome, upstream } = openRig(t);
  const main = await upstream((query, reply) => {
    if (main.received.length === 2) addresses(1)(query, reply);
  });
  const answer = outcome([main]);
  await asked(main, 1);
  clock.advance(400);
  assert.equal(await answer, 'rcode 0, 1 records');
  const [first, second] = main.received;
  assert.deepEqual(second, first);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0']);
});

test('an upstream that does not know EDNS is asked without OPT, from then on at once', async (t) => {
  const { clock, exchanges, outcome, upstream } = openRig(t);
  const old = await upstream((query, reply) => {
    const knows = readMessage(query.message).opt === null;
    (knows ? addresses(1) : withRcode(RCODE.FORMERR))(query, reply);
  });
  assert.equal(await outcome([old]), 'rcode 0, 1 records');
  assert.deepEqual(outcomes(exchanges), ['udp rcode 1', 'udp rcode 0']);
  assert.equal(await outcome([old]), 'rcode 0, 1 records');
  assert.equal(exchanges.length, 3);
  clock.advance(10 * 60_000);
  assert.equal(await outcome([old]), 'rcode 0, 1 records');
  assert.equal(exchanges.length, 5, 'it may have been replaced');
});

test('an upstream that refuses a question with and without OPT keeps its OPT', async (t) => {
  const { exchanges, outcome, upstream } = openRig(t);
  const main = await upstream(withRcode(RCODE.NOTIMP));
  assert.equal(await outcome([main]), 'rcode 4, 0 records');
  assert.equal(exchanges.length, 2);
  main.script = addresses(1);
  assert.equal(await outcome([main]), 'rcode 0, 1 records');
  assert.notEqual(readMessage(main.received[2]?.message ?? QUERY).opt, null);
});

test('a name without capitals goes to an upstream that changes letters, once that is known', async (t) => {
  const { clock, exchanges, outcome, upstream } = openRig(t);
  const changing = await upstream((query, reply) => {
    const qname = (readMessage(query.message).qname ?? '').toLowerCase();
    reply(replyTo(query, { qname }));
  });
  const query = queryFor('a-name-with-many-letters.example.');
  assert.equal(await outcome([changing], query), 'rcode 0, 0 records');
  assert.deepEqual(outcomes(exchanges), ['udp other-case', 'tcp rcode 0']);
  assert.equal(await outcome([changing], query), 'rcode 0, 0 records');
  assert.deepEqual(outcomes(exchanges.slice(2)), ['udp rcode 0']);
  const sent = changing.received[2]?.message ?? QUERY;
  assert.equal(readMessage(sent).qname, 'a-name-with-many-letters.example.');
  clock.advance(10 * 60_000);
  await outcome([changing], query);
  assert.equal(outcomes(exchanges)[3], 'udp other-case');
});

test('an upstream that changes letters and has no TCP is heard over UDP', async (t) => {
  const { clock, exchanges, outcome, upstream } = openRig(t);
  const changing = await upstream((query, reply) => {
    if (query.protocol === 'tcp') return;
    reply(replyTo(query, { qname: (readMessage(query.message).qname ?? '').toLowerCase() }));
  });
  const answer = outcome([changing], queryFor('a-name-with-many-letters.example.'));
  await asked(changing, 2);
  clock.advance(TIMEOUT_MS);
  assert.equal(await answer, 'rcode 0, 0 records');
  assert.deepEqual(outcomes(exchanges), ['udp other-case', 'tcp timeout', 'udp rcode 0']);
});

test('if all upstreams are silent, the error says so and names them', async (t) => {
  const { forwarder, clock, upstream } = openRig(t);
  const [first, second] = [await upstream(silent), await upstream(silent)];
  const upstreams = [first.address, second.address];
  const failure = rejection(forwarder.ask(QUERY, upstreams, DEADLINE_MS));
  await asked(first, 1);
  clock.advance(400);
  await asked(second, 1);
  clock.advance(TIMEOUT_MS);
  const error = await failure;
  assert.equal(error.code, 'upstream-timeout');
  const texts = upstreams.map(({ port }) => `127.0.0.1:${port}: timeout`);
  assert.equal(error.message, texts.join('; '));
});

test('if upstreams fail in other ways, or there are none, the error is another', async (t) => {
  const { forwarder } = openRig(t);
  const closed = await closedPort();
  const error = await rejection(forwarder.ask(QUERY, [closed], DEADLINE_MS));
  assert.equal(error.code, 'upstream-failed');
  assert.equal(error.message, `127.0.0.1:${closed.port}: unreachable (ECONNREFUSED)`);
  const none = await rejection(forwarder.ask(QUERY, [], DEADLINE_MS));
  assert.equal(none.code, 'upstream-failed');
});

test('of many upstreams the error names four', async (t) => {
  const { forwarder } = openRig(t);
  const closed = await Promise.all(Array.from({ length: 6 }, () => closedPort()));
  const { message } = await rejection(forwarder.ask(QUERY, closed, DEADLINE_MS));
  assert.match(message, /^(127\.0\.0\.1:\d+: unreachable \(ECONNREFUSED\); ){4}2 more$/);
});

test('a query whose reply nobody wants any more ends at once, and leaves nothing behind', async (t) => {
  const { forwarder, upstream, clock } = openRig(t);
  const main = await upstream(silent);
  const unwanted = new AbortController();
  const failure = rejection(forwarder.ask(QUERY, [main.address], DEADLINE_MS, unwanted.signal));
  await asked(main, 1);
  assert.equal(forwarder.inflight, 1);
  unwanted.abort();
  assert.equal((await failure).code, 'upstream-failed');
  assert.deepEqual([forwarder.inflight, clock.pending], [0, 0]);
});

test('at the deadline the query ends, with a truncated reply if there is one', async (t) => {
  const { forwarder, clock, upstream } = openRig(t);
  const main = await upstream(silent);
  const failure = rejection(forwarder.ask(QUERY, [main.address], 1_000));
  await asked(main, 1);
  clock.advance(1_000);
  const error = await failure;
  assert.equal(error.code, 'upstream-timeout');
  assert.match(error.message, /: timeout$/);
  assert.equal(forwarder.health()[0]?.lastFailure?.reason, 'timeout');

  main.script = (query, reply) => {
    if (query.protocol === 'udp') reply(replyTo(query, { flags: RESPONSE | FLAG.TC }));
  };
  const truncated = forwarder.ask(QUERY, [main.address], 1_000);
  await asked(main, 4);
  clock.advance(1_000);
  assert.ok(readMessage(await truncated).tc);
});

test('a query that cannot be read is a broken invariant', (t) => {
  const { forwarder } = openRig(t);
  assert.throws(() => void forwarder.ask(QUERY.subarray(0, 14), [], DEADLINE_MS), /readable/);
});

test('beyond the bound a query fails at once, and there is room again afterwards', async (t) => {
  const rejects: string[] = [];
  const onReject = (reason: string): void => void rejects.push(reason);
  const { forwarder, clock, outcome, upstream } = openRig(t, { exchangesMax: 3, onReject });
  const main = await upstream(silent);
  const waiting = ['a.', 'b.', 'c.'].map((name) => outcome([main], queryFor(name)));
  const error = await rejection(forwarder.ask(QUERY, [main.address], DEADLINE_MS));
  assert.equal(error.code, 'upstream-busy');
  assert.deepEqual(rejects, ['inflight']);
  await asked(main, 3);
  clock.advance(TIMEOUT_MS);
  for (const failure of waiting) assert.equal(await failure, 'upstream-timeout');
  assert.equal(forwarder.inflight, 0);
  main.script = addresses(1);
  assert.equal(await outcome([main]), 'rcode 0, 1 records');
});

test('a second upstream waits for room, too', async (t) => {
  const { clock, outcome, upstream } = openRig(t, { exchangesMax: 1 });
  const [first, second] = [await upstream(silent), await upstream(addresses(1))];
  const answer = outcome([first, second]);
  await asked(first, 1);
  clock.advance(TIMEOUT_MS - 1);
  assert.equal(second.received.length, 0);
  clock.advance(1);
  assert.equal(await answer, 'rcode 0, 1 records');
});

test('second upstreams of questions without an answer leave room for other questions', async (t) => {
  const { clock, outcome, upstream } = openRig(t, { exchangesMax: 4 });
  const [first, second] = [await upstream(silent), await upstream(silent)];
  const dead = ['a.', 'b.', 'c.'].map((name) => outcome([first, second], queryFor(name)));
  await asked(first, 3);
  clock.advance(TIMEOUT_MS - 1);
  first.script = addresses(1);
  assert.equal(await outcome([first, second]), 'rcode 0, 1 records');
  assert.equal(second.received.length, 0);
  clock.advance(DEADLINE_MS);
  await Promise.all(dead);
});

test('the 17th query for one question, in any case, fails at once and no other does', async (t) => {
  const rejects: string[] = [];
  const onReject = (reason: string): void => void rejects.push(reason);
  const { forwarder, clock, outcome, upstream } = openRig(t, { onReject });
  const main = await upstream(silent);
  const query = queryFor('loop.example.');
  const waiting = Array.from({ length: 16 }, () => outcome([main], query));
  const shouted = Buffer.from(query);
  shouted.write('LOOP', 13);
  const error = await rejection(forwarder.ask(shouted, [main.address], DEADLINE_MS));
  assert.equal(error.code, 'upstream-failed');
  assert.match(error.message, /loop or flood/);
  assert.deepEqual(rejects, ['loop']);
  // HTTPS and 97 differ by the bit that is the case of a letter.
  for (const qtype of [65, 97]) {
    waiting.push(outcome([main], queryFor('loop.example.', { qtype })));
  }
  await asked(main, 18);
  clock.advance(TIMEOUT_MS);
  for (const failure of waiting) assert.equal(await failure, 'upstream-timeout');
  main.script = addresses(1);
  assert.equal(await outcome([main], query), 'rcode 0, 1 records');
  assert.deepEqual(rejects, ['loop']);
});

test('closing ends what is under way and asks nobody else', async (t) => {
  const { forwarder, upstream } = openRig(t);
  const [first, second] = [await upstream(silent), await upstream(addresses(1))];
  const upstreams = [first.address, second.address];
  const failure = rejection(forwarder.ask(QUERY, upstreams, DEADLINE_MS));
  await asked(first, 1);
  const early = rejection(forwarder.ask(queryFor('early.'), upstreams, DEADLINE_MS));
  forwarder.close();
  const late = rejection(forwarder.ask(QUERY, upstreams, DEADLINE_MS));
  for (const error of [await failure, await early, await late]) {
    assert.equal(error.code, 'upstream-failed');
    assert.match(error.message, /closed/);
  }
  assert.equal(second.received.length, 0);
});
