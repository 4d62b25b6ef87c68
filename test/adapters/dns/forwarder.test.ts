import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createForwarder } from '../../../src/adapters/dns/forwarder.ts';
import type {
  ForwardExchange,
  Forwarder,
  ForwarderOptions,
} from '../../../src/adapters/dns/forwarder.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { addressRecords, buildMessage, readMessage, u16 } from '../../support/dns-message.ts';
import type { ReadMessage, TestMessage } from '../../support/dns-message.ts';
import { closedPort, openUpstream, until } from '../../support/dns-peer.ts';
import type { ReceivedQuery, ScriptedUpstream, Script } from '../../support/dns-peer.ts';
import { ManualClock } from '../manual-clock.ts';

const RESPONSE = FLAG.QR | FLAG.RD | FLAG.RA;
const QUERY = buildMessage({ id: 0x1111, qname: 'Ok.eXample.', opt: { size: 1232 } });

/** A reply to `query` with its id and question. */
function replyTo({ message }: ReceivedQuery, rest: Partial<TestMessage> = {}): Uint8Array {
  const { id, qname, qtype, qclass } = readMessage(message);
  assert.ok(qname !== null && qtype !== null && qclass !== null);
  return buildMessage({ id, flags: RESPONSE, qname, qtype, qclass, ...rest });
}

/** Answers with `count` addresses. */
const addresses =
  (count: number, rest: Partial<TestMessage> = {}): Script =>
  (query, reply) => {
    const name = readMessage(query.message).qname ?? '';
    reply(replyTo(query, { answer: addressRecords(name, count), ...rest }));
  };

const withRcode =
  (rcode: number): Script =>
  (query, reply) =>
    reply(replyTo(query, { flags: RESPONSE | rcode }));

const silent: Script = () => undefined;

interface Opened {
  readonly forwarder: Forwarder;
  readonly clock: ManualClock;
  readonly exchanges: readonly ForwardExchange[];
  /** Opens an upstream that is closed after the test. */
  readonly upstream: (script: Script, host?: string) => Promise<ScriptedUpstream>;
}

const TIMEOUT_MS = 2_000;

function open(t: TestContext, options: Partial<ForwarderOptions> = {}): Opened {
  const clock = new ManualClock();
  const exchanges: ForwardExchange[] = [];
  const forwarder = createForwarder({
    timeoutMs: TIMEOUT_MS,
    clock,
    onExchange: (exchange) => exchanges.push(exchange),
    ...options,
  });
  const upstreams: ScriptedUpstream[] = [];
  t.after(async () => {
    forwarder.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    assert.equal(forwarder.inflight, 0);
    assert.equal(clock.pending, 0, 'no timer is left behind');
  });
  const upstream = async (script: Script, host?: string): Promise<ScriptedUpstream> => {
    const opened = await openUpstream(script, host);
    upstreams.push(opened);
    return opened;
  };
  return { forwarder, clock, exchanges, upstream };
}

async function rejection(promise: Promise<unknown>): Promise<DaemonError> {
  const error: unknown = await promise.then(
    () => null,
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof DaemonError);
  return error;
}

const outcomes = (exchanges: readonly ForwardExchange[]): string[] =>
  exchanges.map(({ protocol, result }) =>
    result.kind === 'reply' ? `${protocol} rcode ${result.rcode}` : `${protocol} ${result.reason}`,
  );

for (const host of ['127.0.0.1', '::1']) {
  for (const transport of ['udp', 'tcp'] as const) {
    test(`a query goes over ${transport} to ${host} as it is but for its id, the reply comes back`, async (t) => {
      const { forwarder, exchanges, upstream } = open(t);
      const main = await upstream(addresses(2, { opt: { size: 1232 } }), host);
      const query = buildMessage({
        id: 0x1111,
        flags: FLAG.CD,
        qname: 'Ok.eXample.',
        qtype: 65,
        qclass: 3,
        opt: { size: 4096, options: Buffer.concat([u16(10, 8), Buffer.alloc(8, 9)]) },
      });
      const reply = await forwarder.forward(query, [main.address], transport, 1232);
      assert.equal(readMessage(reply).id, 0x1111);
      assert.equal(main.received.length, 1);
      const sent = main.received[0]?.message ?? new Uint8Array(0);
      assert.deepEqual(sent.subarray(2), query.subarray(2));
      assert.deepEqual(outcomes(exchanges), [`${transport} rcode 0`]);
      const text = host.includes(':') ? `[${host}]` : host;
      assert.equal(exchanges[0]?.to, `${text}:${main.address.port}`);
    });
  }
}

test('the upstream’s flags and OPT are passed on, the question as the client wrote it', async (t) => {
  const { forwarder, upstream } = open(t);
  const flags = FLAG.QR | FLAG.AA | FLAG.AD | RCODE.NXDOMAIN;
  const main = await upstream((query, reply) =>
    reply(replyTo(query, { flags, qname: 'ok.example.', opt: { size: 512, options: u16(15, 0) } })),
  );
  const reply = readMessage(await forwarder.forward(QUERY, [main.address], 'udp', 1232));
  assert.equal(reply.flags, flags);
  assert.equal(reply.qname, 'Ok.eXample.');
  assert.deepEqual(reply.opt, { size: 512, options: '000f0000' });
});

test('every exchange has its own id and its own port', async (t) => {
  const { forwarder, upstream } = open(t);
  const main = await upstream(addresses(1));
  const forwards = Array.from({ length: 100 }, (_, n) => {
    const query = buildMessage({ qname: `name${n}.example.` });
    return forwarder.forward(query, [main.address], 'udp', 1232);
  });
  assert.equal(forwarder.inflight, 100);
  await Promise.all(forwards);
  const ids = new Set(main.received.map(({ message }) => readMessage(message).id));
  const ports = new Set(main.received.map(({ source }) => source.port));
  // Of 65,536 ids, 100 draws repeat 3 or more with a chance of 1 in 10^5.
  assert.ok(ids.size > 97, `${ids.size} ids`);
  assert.equal(ports.size, 100);
});

test('the caller may reuse the buffer of the query at once', async (t) => {
  const { forwarder, upstream } = open(t);
  const main = await upstream(addresses(1));
  const buffer = Buffer.from(QUERY);
  const forward = forwarder.forward(buffer, [main.address], 'udp', 1232);
  buffer.fill(0xff);
  assert.equal(readMessage(await forward).qname, 'Ok.eXample.');
});

test('replies with another id or another question are ignored until the right one comes', async (t) => {
  const { forwarder, exchanges, upstream } = open(t);
  const main = await upstream((query, reply) => {
    const { id } = readMessage(query.message);
    for (let i = 1; i <= 8; i++) reply(replyTo(query, { id: id ^ i, answer: [] }));
    reply(replyTo(query, { qname: 'evil.example.' }));
    reply(replyTo(query, { qtype: TYPE.AAAA }));
    reply(replyTo(query, { flags: FLAG.RD }));
    reply(new Uint8Array(3));
    addresses(3)(query, reply);
  });
  const reply = readMessage(await forwarder.forward(QUERY, [main.address], 'udp', 1232));
  assert.equal(reply.answer.length, 3);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0']);
});

test('forged replies from another port or address never reach the exchange', async (t) => {
  const { forwarder, exchanges, upstream } = open(t);
  const held: [ReceivedQuery, (message: Uint8Array) => void][] = [];
  const main = await upstream((query, reply) => held.push([query, reply]));
  const forger = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => forger.close());
  await once(forger, 'listening');
  const forward = forwarder.forward(QUERY, [main.address], 'udp', 1232);
  await until(() => held.length === 1, 'the query');
  const [query, reply] = held[0] ?? assert.fail();
  // With the right id, and with more wrong ones than an exchange may see.
  for (let i = 0; i < 500; i++) {
    const forged = replyTo(query, { id: i === 0 ? readMessage(query.message).id : i });
    await new Promise((resolve) => forger.send(forged, query.source.port, '127.0.0.1', resolve));
  }
  addresses(2)(query, reply);
  assert.equal(readMessage(await forward).answer.length, 2);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0']);
});

test('after 20 wrong replies the same upstream is asked over TCP, where guessing is hard', async (t) => {
  const { forwarder, exchanges, upstream } = open(t);
  const main = await upstream((query, reply) => {
    if (query.protocol === 'tcp') {
      addresses(4)(query, reply);
      return;
    }
    const { id } = readMessage(query.message);
    for (let i = 1; i <= 20; i++) reply(replyTo(query, { id: id ^ i }));
  });
  const reply = await forwarder.forward(QUERY, [main.address], 'udp', 1232);
  assert.equal(readMessage(reply).answer.length, 4);
  assert.deepEqual(outcomes(exchanges), ['udp strays', 'tcp rcode 0']);
});

test('a silent upstream costs its time, then the second answers', async (t) => {
  const { forwarder, clock, exchanges, upstream } = open(t);
  const [first, second] = [await upstream(silent), await upstream(addresses(1))];
  const forward = forwarder.forward(QUERY, [first.address, second.address], 'udp', 1232);
  await until(() => first.received.length === 1, 'the first is asked');
  clock.advance(TIMEOUT_MS - 1);
  assert.equal(second.received.length, 0);
  clock.advance(1);
  assert.equal(readMessage(await forward).answer.length, 1);
  assert.deepEqual(outcomes(exchanges), ['udp timeout', 'udp rcode 0']);
  assert.equal(exchanges[0]?.durationMs, TIMEOUT_MS);
});

for (const transport of ['udp', 'tcp'] as const) {
  test(`a closed port over ${transport} costs no time`, async (t) => {
    const { forwarder, exchanges, upstream } = open(t);
    const upstreams = [await closedPort(), (await upstream(addresses(1))).address];
    const reply = await forwarder.forward(QUERY, upstreams, transport, 1232);
    assert.equal(readMessage(reply).answer.length, 1);
    assert.deepEqual(outcomes(exchanges), [`${transport} unreachable`, `${transport} rcode 0`]);
  });

  test(`a malformed reply over ${transport} costs no time`, async (t) => {
    const { forwarder, exchanges, upstream } = open(t);
    const broken = await upstream((query, reply) => {
      const message = replyTo(query);
      message[7] = 9; // nine answers, none there
      reply(message);
    });
    const second = await upstream(addresses(1));
    const upstreams = [broken.address, second.address];
    const reply = await forwarder.forward(QUERY, upstreams, transport, 1232);
    assert.equal(readMessage(reply).answer.length, 1);
    assert.deepEqual(outcomes(exchanges), [`${transport} malformed`, `${transport} rcode 0`]);
  });
}

for (const rcode of [RCODE.SERVFAIL, RCODE.REFUSED]) {
  test(`D23: after rcode ${rcode} the next upstream is asked`, async (t) => {
    const { forwarder, upstream } = open(t);
    const [first, second] = [await upstream(withRcode(rcode)), await upstream(addresses(1))];
    const upstreams = [first.address, second.address];
    const reply = readMessage(await forwarder.forward(QUERY, upstreams, 'udp', 1232));
    assert.deepEqual([reply.rcode, reply.answer.length], [0, 1]);
  });
}

test('D23: if nobody has a better reply, the first refusal is passed on', async (t) => {
  const { forwarder, upstream } = open(t);
  const upstreams = [
    await closedPort(),
    (await upstream(withRcode(RCODE.REFUSED))).address,
    (await upstream(withRcode(RCODE.SERVFAIL))).address,
  ];
  const reply = readMessage(await forwarder.forward(QUERY, upstreams, 'udp', 1232));
  assert.deepEqual([reply.rcode, reply.id, reply.qname], [RCODE.REFUSED, 0x1111, 'Ok.eXample.']);
});

test('NXDOMAIN is an answer: nobody else is asked', async (t) => {
  const { forwarder, upstream } = open(t);
  const first = await upstream(withRcode(RCODE.NXDOMAIN));
  const second = await upstream(addresses(1));
  const upstreams = [first.address, second.address];
  const reply = readMessage(await forwarder.forward(QUERY, upstreams, 'udp', 1232));
  assert.equal(reply.rcode, RCODE.NXDOMAIN);
  assert.equal(second.received.length, 0);
});

/** TC without records over UDP, 40 addresses over TCP. */
const truncatedOverUdp: Script = (query, reply) => {
  if (query.protocol === 'udp') reply(replyTo(query, { flags: RESPONSE | FLAG.TC }));
  else addresses(40)(query, reply);
};

test('a truncated reply over UDP is fetched whole over TCP from the same upstream', async (t) => {
  const { forwarder, exchanges, upstream } = open(t);
  const first = await upstream(truncatedOverUdp);
  const second = await upstream(addresses(1));
  const upstreams = [first.address, second.address];
  const reply = readMessage(await forwarder.forward(QUERY, upstreams, 'udp', 1232));
  assert.deepEqual([reply.tc, reply.answer.length, second.received.length], [false, 40, 0]);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0', 'tcp rcode 0']);
});

test('a truncated reply that is cut inside a record is fetched over TCP too', async (t) => {
  const { forwarder, upstream } = open(t);
  const first = await upstream((query, reply) => {
    if (query.protocol === 'tcp') {
      addresses(3)(query, reply);
      return;
    }
    const whole = replyTo(query, {
      flags: RESPONSE | FLAG.TC,
      answer: addressRecords('ok.example.', 3),
    });
    reply(whole.subarray(0, whole.length - 5));
  });
  const reply = readMessage(await forwarder.forward(QUERY, [first.address], 'udp', 1232));
  assert.equal(reply.answer.length, 3);
});

test('D27: a truncated reply keeps its TC when TCP fails, so it is no NODATA', async (t) => {
  const { forwarder, clock, exchanges, upstream } = open(t);
  const main = await upstream((query, reply) => {
    if (query.protocol === 'udp') truncatedOverUdp(query, reply);
  });
  const forward = forwarder.forward(QUERY, [main.address], 'udp', 1232);
  await until(() => main.received.length === 2, 'the query over TCP');
  clock.advance(TIMEOUT_MS);
  const reply: ReadMessage = readMessage(await forward);
  assert.deepEqual([reply.tc, reply.rcode, reply.answer.length], [true, 0, 0]);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0', 'tcp timeout']);
});

test('D22: the client’s size counts, not the size in the upstream’s OPT, and OPT stays', async (t) => {
  const { forwarder, upstream } = open(t);
  for (const size of [512, 1232, 4096]) {
    const main = await upstream(addresses(40, { opt: { size } }));
    const ask = async (limit: number): Promise<ReadMessage> => {
      const bytes = await forwarder.forward(QUERY, [main.address], 'udp', limit);
      assert.ok(bytes.length <= limit);
      return readMessage(bytes);
    };
    const whole = await ask(1232);
    assert.deepEqual([whole.tc, whole.answer.length, whole.opt?.size], [false, 40, size]);
    const cut = await ask(512);
    assert.ok(cut.tc && cut.answer.length >= 28 && cut.answer.length < 40);
    assert.equal(cut.opt?.size, size);
  }
});

test('D22: a client without EDNS gets what fits into 512 octets, not SERVFAIL', async (t) => {
  const { forwarder, upstream } = open(t);
  const main = await upstream(addresses(40));
  const query = buildMessage({ id: 5, qname: 'big40.example.' });
  const bytes = await forwarder.forward(query, [main.address], 'udp', 512);
  const reply = readMessage(bytes);
  assert.ok(bytes.length <= 512);
  assert.deepEqual([reply.rcode, reply.tc, reply.opt], [0, true, null]);
  assert.ok(reply.answer.length >= 29);
});

test('over TCP a reply of 64 KiB is passed on whole', async (t) => {
  const { forwarder, upstream } = open(t);
  const main = await upstream(addresses(2500));
  const bytes = await forwarder.forward(QUERY, [main.address], 'tcp', 65_535);
  assert.equal(readMessage(bytes).answer.length, 2500);
  assert.ok(bytes.length > 62_000);
  assert.deepEqual(
    main.received.map(({ protocol }) => protocol),
    ['tcp'],
  );
});

test('additional records of other zones are passed on and not remembered', async (t) => {
  const { forwarder, upstream } = open(t);
  const additional = addressRecords('web.marathon.mesos.', 1);
  const main = await upstream(addresses(1, { additional }));
  for (let asked = 1; asked <= 2; asked++) {
    const reply = readMessage(await forwarder.forward(QUERY, [main.address], 'udp', 1232));
    assert.equal(reply.additional[0]?.name, 'web.marathon.mesos.');
    assert.equal(main.received.length, asked);
  }
});

test('if all upstreams are silent, the error says so and names them', async (t) => {
  const { forwarder, clock, upstream } = open(t);
  const [first, second] = [await upstream(silent), await upstream(silent)];
  const failure = rejection(forwarder.forward(QUERY, [first.address, second.address], 'udp', 1232));
  for (const { received } of [first, second]) {
    await until(() => received.length === 1, 'the upstream is asked');
    clock.advance(TIMEOUT_MS);
  }
  const error = await failure;
  assert.equal(error.code, 'upstream-timeout');
  assert.match(error.message, new RegExp(`127.0.0.1:${first.address.port} timeout, `));
  assert.match(error.message, new RegExp(`127.0.0.1:${second.address.port} timeout$`));
});

test('if upstreams fail in other ways, or there are none, the error is another', async (t) => {
  const { forwarder } = open(t);
  const failure = rejection(forwarder.forward(QUERY, [await closedPort()], 'udp', 1232));
  assert.equal((await failure).code, 'upstream-failed');
  assert.match((await failure).message, /unreachable \(ECONNREFUSED\)/);
  const none = await rejection(forwarder.forward(QUERY, [], 'udp', 1232));
  assert.equal(none.code, 'upstream-failed');
});

test('an upstream that closes the connection without a reply has failed', async (t) => {
  const { forwarder, exchanges, upstream } = open(t);
  const main = await upstream(silent);
  const failure = rejection(forwarder.forward(QUERY, [main.address], 'tcp', 65_535));
  await until(() => main.received.length === 1, 'the query');
  await main.close();
  assert.match((await failure).message, /disconnected/);
  assert.deepEqual(outcomes(exchanges), ['tcp disconnected']);
});

test('a query that cannot be read, or a limit below 512, is a broken invariant', (t) => {
  const { forwarder } = open(t);
  const forward = (query: Uint8Array, limit: number) => () =>
    void forwarder.forward(query, [], 'udp', limit);
  assert.throws(forward(QUERY.subarray(0, 14), 512), /readable/);
  assert.throws(forward(QUERY, 511), /512/);
});

test('beyond the bound a forward fails at once, and there is room again afterwards', async (t) => {
  const rejects: string[] = [];
  const onReject = (reason: string): void => void rejects.push(reason);
  const { forwarder, clock, upstream } = open(t, { inflightMax: 3, onReject });
  const main = await upstream(silent);
  const waiting = [1, 2, 3].map(() =>
    rejection(forwarder.forward(QUERY, [main.address], 'udp', 1232)),
  );
  const error = await rejection(forwarder.forward(QUERY, [main.address], 'udp', 1232));
  assert.equal(error.code, 'upstream-failed');
  assert.deepEqual(rejects, ['inflight']);
  await until(() => main.received.length === 3, 'three queries');
  clock.advance(TIMEOUT_MS);
  for (const failure of waiting) assert.equal((await failure).code, 'upstream-timeout');
  assert.equal(forwarder.inflight, 0);
  const second = await upstream(addresses(1));
  await forwarder.forward(QUERY, [second.address], 'udp', 1232);
});

/** The same question in another spelling for every `n`. */
const spelling = (n: number): string =>
  'loop.example.'.replace(/[a-z]/g, (letter, i) => ((n >> i) & 1 ? letter.toUpperCase() : letter));

test('the 65th forward of one question, in any case, fails at once and no other does', async (t) => {
  const rejects: string[] = [];
  const { forwarder, clock, upstream } = open(t, { onReject: (reason) => rejects.push(reason) });
  const main = await upstream(silent);
  const forward = (parts: TestMessage): Promise<DaemonError> =>
    rejection(forwarder.forward(buildMessage(parts), [main.address], 'udp', 1232));
  const waiting = Array.from({ length: 64 }, (_, n) => forward({ qname: spelling(n) }));
  const error = await forward({ qname: spelling(64) });
  assert.equal(error.code, 'upstream-failed');
  assert.match(error.message, /loop or flood/);
  assert.deepEqual(rejects, ['loop']);
  assert.equal(forwarder.inflight, 64);

  // HTTPS and 97 differ by the bit that is the case of a letter.
  waiting.push(
    forward({ qname: spelling(0), qtype: 65 }),
    forward({ qname: spelling(0), qtype: 97 }),
  );
  waiting.push(forward({ qname: spelling(0), qclass: 3 }), forward({ qname: 'example.' }));
  await until(() => main.received.length === 68, 'all but one');
  clock.advance(TIMEOUT_MS);
  for (const failure of waiting) assert.equal((await failure).code, 'upstream-timeout');

  const again = forward({ qname: spelling(0) });
  await until(() => main.received.length === 69, 'there is room again');
  clock.advance(TIMEOUT_MS);
  assert.equal((await again).code, 'upstream-timeout');
  assert.deepEqual(rejects, ['loop']);
});

test('closing ends what is under way and asks nobody else', async (t) => {
  const { forwarder, upstream } = open(t);
  const [first, second] = [await upstream(silent), await upstream(addresses(1))];
  const upstreams = [first.address, second.address];
  const failures = (['udp', 'tcp'] as const).map((transport) =>
    rejection(forwarder.forward(QUERY, upstreams, transport, 1232)),
  );
  await until(() => first.received.length === 2, 'both queries');
  forwarder.close();
  for (const failure of failures) {
    assert.equal((await failure).code, 'upstream-failed');
    assert.match((await failure).message, /closed/);
  }
  assert.equal(second.received.length, 0);
  assert.match(
    (await rejection(forwarder.forward(QUERY, upstreams, 'udp', 1232))).message,
    /closed/,
  );
});
