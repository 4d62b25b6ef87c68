import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { DnsClient, QueryHandler } from '../../../src/adapters/dns/query-handler.ts';
import { openTcpListener } from '../../../src/adapters/dns/tcp-listener.ts';
import type { TcpListener, TcpListenerOptions } from '../../../src/adapters/dns/tcp-listener.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { FLAG } from '../../../src/core/dns/constants.ts';
import { buildMessage, readMessage } from '../../support/dns-message.ts';
import { frame, openTcpClient, until } from '../../support/dns-peer.ts';
import type { TcpClient } from '../../support/dns-peer.ts';
import { ManualClock } from '../manual-clock.ts';

const query = (id: number): Uint8Array => buildMessage({ id, qname: 'web.example.' });
const framed = (...ids: readonly number[]): Buffer =>
  Buffer.concat(ids.map((id) => frame(query(id))));
const ids = (messages: readonly Uint8Array[]): number[] =>
  messages.map((message) => readMessage(message).id);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The query as a response, padded to `bytes`. */
function responseTo(message: Uint8Array, bytes = message.length): Uint8Array {
  const response = new Uint8Array(bytes);
  response.set(message);
  response[2] = 0x80;
  return response;
}

const echo: QueryHandler = (message, _client, respond) => respond(responseTo(message));

/** Keeps every query for the test to answer. */
class Held {
  readonly responses: (() => void)[] = [];
  readonly handler: QueryHandler = (message, _client, respond) => {
    const response = responseTo(message);
    this.responses.push(() => respond(response));
  };

  answer(count: number): void {
    for (const respond of this.responses.splice(0, count)) respond();
  }
}

interface Opened {
  readonly listener: TcpListener;
  readonly clock: ManualClock;
  readonly connect: () => Promise<TcpClient>;
}

async function open(
  t: TestContext,
  handler: QueryHandler,
  options: Partial<TcpListenerOptions> = {},
  host = '127.0.0.1',
): Promise<Opened> {
  const clock = new ManualClock();
  const listener = await openTcpListener({ address: host, port: 0 }, handler, {
    clock,
    ...options,
  });
  const clients: TcpClient[] = [];
  t.after(async () => {
    for (const client of clients) client.socket.destroy();
    await listener.close(0);
  });
  const connect = async (): Promise<TcpClient> => {
    const client = await openTcpClient(listener.address);
    clients.push(client);
    return client;
  };
  return { listener, clock, connect };
}

/** Opens a connection and waits until the listener has it. */
async function connected({ listener, connect }: Opened): Promise<TcpClient> {
  const { accepted } = listener.stats();
  const client = await connect();
  await until(() => listener.stats().accepted > accepted, 'the connection is accepted');
  return client;
}

for (const [host, family] of [
  ['127.0.0.1', 4],
  ['::1', 6],
] as const) {
  test(`pipelined queries over IPv${family} are answered and the handler knows who asks`, async (t) => {
    const clients: DnsClient[] = [];
    const opened = await open(
      t,
      (message, from, respond) => {
        clients.push(from);
        echo(message, from, respond);
      },
      {},
      host,
    );
    const client = await opened.connect();
    client.socket.write(framed(...range(100)));
    assert.deepEqual(ids(await client.messages(100)), range(100));
    const port = client.socket.localPort;
    assert.deepEqual(clients[99], { protocol: 'tcp', family, address: host, port });
    const { queries, answers } = opened.listener.stats();
    assert.deepEqual([queries, answers], [100, 100]);
  });
}

test('a query that comes octet by octet is answered', async (t) => {
  const { connect } = await open(t, echo);
  const client = await connect();
  for (const octet of framed(7, 8)) {
    await new Promise((resolve) => client.socket.write(Uint8Array.of(octet), resolve));
  }
  assert.deepEqual(ids(await client.messages(2)), [7, 8]);
});

test('answers leave as they come, a slow one does not hold up the next', async (t) => {
  const held = new Held();
  const { connect } = await open(t, (message, from, respond) => {
    (readMessage(message).id === 1 ? held.handler : echo)(message, from, respond);
  });
  const client = await connect();
  client.socket.write(framed(1, 2, 3));
  assert.deepEqual(ids(await client.messages(2)), [2, 3]);
  held.answer(1);
  assert.deepEqual(ids(await client.messages(3)), [2, 3, 1]);
});

test('an answer of 65,535 octets arrives whole', async (t) => {
  const { connect } = await open(t, (message, _client, respond) => {
    respond(responseTo(message, 65_535));
  });
  const client = await connect();
  client.socket.write(framed(1));
  assert.equal((await client.messages(1))[0]?.length, 65_535);
});

test('responses and messages without a header are ignored, and the next query is answered', async (t) => {
  const { listener, connect } = await open(t, echo);
  const client = await connect();
  const response = buildMessage({ qname: 'web.example.', flags: FLAG.QR });
  client.socket.write(Buffer.concat([frame(response), frame(new Uint8Array(11)), framed(4)]));
  assert.deepEqual(ids(await client.messages(1)), [4]);
  assert.equal(listener.stats().ignored, 2);
});

test('a length of 0 ends the connection, after what was asked before is answered', async (t) => {
  const { listener, connect } = await open(t, echo);
  const client = await connect();
  client.socket.write(Buffer.concat([framed(1), Buffer.alloc(2), framed(2)]));
  await until(() => client.ended, 'the end of the connection');
  assert.deepEqual(ids(client.received), [1]);
  client.socket.end();
  await until(() => listener.stats().open === 0, 'the descriptor is free');
  assert.equal(listener.stats().closed['empty-message'], 1);
});

test('a client that half-closes gets its late answers, then the end', async (t) => {
  const held = new Held();
  const { listener, connect } = await open(t, held.handler);
  const client = await connect();
  client.socket.end(framed(1, 2));
  await until(() => held.responses.length === 2, 'both queries');
  assert.equal(client.ended, false);
  held.answer(2);
  assert.deepEqual(ids(await client.messages(2)), [1, 2]);
  await until(() => client.closed, 'the end of the connection');
  await until(() => listener.stats().open === 0, 'the descriptor is free');
  assert.equal(listener.stats().closed.client, 1);
});

test('a client that half-closes behind 1000 pipelined queries gets 1000 answers', async (t) => {
  const { listener, connect } = await open(t, echo);
  const client = await connect();
  client.socket.end(framed(...range(1000)));
  await until(() => client.closed, 'the end of the connection');
  assert.deepEqual(ids(client.received), range(1000));
  await until(() => listener.stats().open === 0, 'the descriptor is free');
  assert.equal(listener.stats().closed.client, 1);
});

test('a client that half-closes behind 150 slow queries gets 150 answers', async (t) => {
  const { connect } = await open(t, (message, from, respond) => {
    setTimeout(() => echo(message, from, respond), 20);
  });
  const client = await connect();
  client.socket.end(framed(...range(150)));
  await until(() => client.closed, 'the end of the connection');
  assert.deepEqual(
    ids(client.received).sort((a, b) => a - b),
    range(150),
  );
});

test('a length of 0 among queries that wait behind a half-close ends the connection too', async (t) => {
  const { listener, connect } = await open(t, echo);
  const client = await connect();
  client.socket.end(Buffer.concat([framed(...range(200)), Buffer.alloc(2), framed(200)]));
  await until(() => client.closed, 'the end of the connection');
  assert.deepEqual(ids(client.received), range(200));
  await until(() => listener.stats().closed['empty-message'] === 1, 'it is counted');
});

test('a client that half-closes and is never answered is cut, whatever waits unread', async (t) => {
  const held = new Held();
  const { listener, clock, connect } = await open(t, held.handler);
  const client = await connect();
  client.socket.end(framed(...range(150)));
  await until(() => held.responses.length === 100, 'the first hundred');
  clock.advance(31_000);
  await until(() => client.closed, 'the end of the connection');
  await until(() => listener.stats().closed.unanswered === 1, 'it is counted');
});

test('a client that half-closes in the middle of a message is closed at once', async (t) => {
  const { listener, connect } = await open(t, echo);
  for (const bytes of [0, 1, 2, 13]) {
    const client = await connect();
    client.socket.end(framed(1).subarray(0, bytes));
    await until(() => client.closed, `the end after ${bytes} octets`);
    assert.equal(client.received.length, 0);
  }
  await until(() => listener.stats().closed.client === 4, 'all are counted');
});

test('with 100 queries unanswered no more are read; each answer lets one in', async (t) => {
  const held = new Held();
  const { listener, connect } = await open(t, held.handler);
  const client = await connect();
  client.socket.write(framed(...range(250)));
  await until(() => held.responses.length === 100, 'the first hundred');
  held.answer(1);
  await until(() => listener.stats().queries === 101, 'one more');
  assert.equal(held.responses.length, 100);
  held.answer(100);
  await until(() => listener.stats().queries === 201, 'a hundred more');
  held.answer(100);
  await until(() => listener.stats().queries === 250, 'the rest');
  held.answer(50);
  assert.deepEqual(
    ids(await client.messages(250)).sort((a, b) => a - b),
    range(250),
  );
});

test('one busy connection lets others have their turn', async (t) => {
  let answered = 0;
  let answeredAtNextTurn = 0;
  const { connect } = await open(t, (message, from, respond) => {
    if (answered++ === 0) setImmediate(() => (answeredAtNextTurn = answered));
    echo(message, from, respond);
  });
  const client = await connect();
  client.socket.write(framed(...range(1000)));
  assert.deepEqual(ids(await client.messages(1000)), range(1000));
  assert.ok(answeredAtNextTurn < 500, `${answeredAtNextTurn} answers in one turn`);
});

/** Waits until `read` has not changed for a while. */
async function settled(read: () => number): Promise<number> {
  let last = read();
  let unchanged = 0;
  await until(() => {
    unchanged = read() === last ? unchanged + 1 : 0;
    last = read();
    return unchanged > 50;
  }, 'no more change');
  return last;
}

test('a pipeliner that never reads stops being read, and is cut after 5 s', async (t) => {
  const answerBytes = 32_000;
  const opened = await open(t, (message, _client, respond) =>
    respond(responseTo(message, answerBytes)),
  );
  const { listener, clock } = opened;
  const client = await connected(opened);
  client.socket.pause();
  const arrayBuffers = process.memoryUsage().arrayBuffers;
  client.socket.write(framed(...range(20_000)));
  await until(() => listener.stats().answers > 10, 'the first answers');
  const answers = await settled(() => listener.stats().answers);
  // 640 MB were asked for; the kernel's buffers and ours are what got filled.
  assert.ok(answers * answerBytes < 64_000_000, `${answers} answers`);
  assert.ok(process.memoryUsage().arrayBuffers - arrayBuffers < 16_000_000);
  clock.advance(4_500);
  assert.equal(listener.stats().open, 1);
  clock.advance(750);
  await until(() => listener.stats().open === 0, 'the descriptor is free');
  assert.equal(listener.stats().closed['not-reading'], 1);
});

test('a slow reader gets everything', async (t) => {
  const opened = await open(t, (message, _client, respond) => respond(responseTo(message, 32_000)));
  const client = await connected(opened);
  client.socket.pause();
  client.socket.write(framed(...range(600)));
  await settled(() => opened.listener.stats().answers);
  client.socket.resume();
  assert.deepEqual(ids(await client.messages(600)), range(600));
});

test('late answers cannot pile up without bound either', async (t) => {
  const responses: (() => void)[] = [];
  const opened = await open(
    t,
    (message, _client, respond) => {
      const response = responseTo(message, 60_000);
      responses.push(() => respond(response));
    },
    // As many as it takes to fill what the kernel takes first.
    { limits: { inflight: 2000 } },
  );
  const client = await connected(opened);
  client.socket.pause();
  client.socket.write(framed(...range(2000)));
  await until(() => responses.length === 2000, 'all queries');
  for (const respond of responses) respond();
  await until(() => opened.listener.stats().open === 0, 'the connection is cut');
  assert.equal(opened.listener.stats().closed['not-reading'], 1);
});

test('a connection without a query is closed after 5 s', async (t) => {
  const opened = await open(t, echo);
  const { listener, clock } = opened;
  const client = await connected(opened);
  clock.advance(4_750);
  assert.equal(client.ended, false);
  clock.advance(500);
  await until(() => client.ended, 'the end of the connection');
  client.socket.end();
  await until(() => listener.stats().closed['no-query'] === 1, 'it is counted');
});

test('a connection is idle 10 s after its last answer', async (t) => {
  const opened = await open(t, echo);
  const { listener, clock } = opened;
  const client = await connected(opened);
  for (let id = 1; id <= 3; id++) {
    clock.advance(9_000 / (id === 1 ? 2 : 1));
    client.socket.write(framed(id));
    await client.messages(id);
  }
  clock.advance(9_500);
  assert.equal(client.ended, false);
  clock.advance(750);
  await until(() => client.ended, 'the end of the connection');
  client.socket.end();
  await until(() => listener.stats().closed.idle === 1, 'it is counted');
});

test('a query under way keeps a connection open, but not for ever', async (t) => {
  const held = new Held();
  const opened = await open(t, held.handler);
  const { listener, clock } = opened;
  const client = await connected(opened);
  client.socket.write(framed(1));
  await until(() => held.responses.length === 1, 'the query');
  clock.advance(29_000);
  assert.equal(client.ended, false);
  clock.advance(1_250);
  await until(() => listener.stats().closed.unanswered === 1, 'the connection is cut');
  held.answer(1);
  assert.equal(listener.stats().answers, 0);
});

test('while the house is three quarters full, idle connections are closed after 2 s', async (t) => {
  const connections = { total: 4, perClient: 4, loopback: 4 };
  const opened = await open(t, echo, { limits: { connections } });
  const clients = [await connected(opened), await connected(opened), await connected(opened)];
  for (const client of clients) {
    client.socket.write(framed(1));
    await client.messages(1);
  }
  opened.clock.advance(2_250);
  assert.equal(
    clients.some(({ ended }) => ended),
    false,
  );
  clients.push(await connected(opened));
  opened.clock.advance(250);
  await until(() => clients.slice(0, 3).every(({ ended }) => ended), 'the idle ones are closed');
  assert.equal(clients[3]?.ended, false);
});

test('a client that does not answer our FIN loses the connection 2 s later', async (t) => {
  const opened = await open(t, echo);
  const client = await connected(opened);
  opened.clock.advance(5_250);
  await until(() => client.ended, 'the FIN');
  assert.equal(opened.listener.stats().open, 1);
  opened.clock.advance(2_500);
  await until(() => opened.listener.stats().open === 0, 'the descriptor is free');
});

test('200 idle and 50 dripping clients are cut, and every descriptor returns', async (t) => {
  const opened = await open(t, echo);
  const { listener, clock } = opened;
  const clients = await Promise.all(range(250).map(() => opened.connect()));
  await until(() => listener.stats().open === 250, 'all are connected');
  const drip = framed(1);
  for (let i = 0; i < 12; i++) {
    for (const client of clients.slice(200)) {
      if (!client.closed) client.socket.write(drip.subarray(i, i + 1));
    }
    // Every octet arrives, but none buys time.
    await until(() => clients.every(({ socket }) => socket.writableLength === 0), 'the drip');
    await settled(() => listener.stats().open);
    clock.advance(250);
  }
  await until(() => clients.slice(200).every(({ ended }) => ended), 'the dripping ones are cut');
  assert.equal(
    clients.slice(0, 200).some(({ ended }) => ended),
    false,
  );
  clock.advance(2_500);
  await until(() => clients.every(({ ended }) => ended), 'the idle ones are closed');
  clock.advance(2_500);
  await until(() => listener.stats().open === 0, 'the descriptors are free');
  const { closed } = listener.stats();
  assert.deepEqual([closed['slow-message'], closed['no-query']], [50, 200]);
  clock.advance(1000);
  assert.equal(clock.pending, 0);
});

test('a loopback client leaves places to others; refused connections cost nothing', async (t) => {
  const connections = { total: 8, perClient: 2, loopback: 5 };
  const opened = await open(t, echo, { limits: { connections } });
  const { listener, connect } = opened;
  const clients = await Promise.all(range(8).map(() => connect().catch(() => null)));
  await until(() => listener.stats().refused['per-client'] === 3, 'three are refused');
  assert.equal(listener.stats().open, 5);
  const kept = clients.filter((client) => client !== null && !client.closed);
  for (const client of kept) client?.socket.destroy();
  await until(() => listener.stats().open === 0, 'the places are free');
  const next = await connected(opened);
  next.socket.write(framed(1));
  assert.deepEqual(ids(await next.messages(1)), [1]);
});

test('resets at any moment disturb nobody', async (t) => {
  const held = new Held();
  const opened = await open(t, held.handler);
  const { listener, connect } = opened;
  for (let i = 0; i < 40; i++) {
    const client = await connect();
    client.socket.write(framed(...range(20)));
    if (i % 2 === 0) await until(() => held.responses.length > 0, 'a query');
    client.socket.resetAndDestroy();
    held.answer(1000);
  }
  // A reset may look like a half-close until an answer is written.
  await until(() => {
    held.answer(1000);
    return listener.stats().open === 0;
  }, 'the descriptors are free');
  const client = await connect();
  client.socket.write(framed(5));
  await until(() => held.responses.length === 1, 'the query');
  held.answer(1);
  assert.deepEqual(ids(await client.messages(1)), [5]);
});

test('closing lets queries under way be answered and takes no new ones', async (t) => {
  const held = new Held();
  const opened = await open(t, held.handler);
  const { listener, clock, connect } = opened;
  const busy = await connected(opened);
  const idle = await connected(opened);
  busy.socket.write(framed(1));
  await until(() => held.responses.length === 1, 'the query');
  const closing = listener.close(3_000);
  await until(() => idle.ended, 'the idle one is closed');
  idle.socket.end();
  await assert.rejects(connect(), { code: 'ECONNREFUSED' });
  busy.socket.write(framed(2));
  held.answer(1);
  assert.deepEqual(ids(await busy.messages(1)), [1]);
  await until(() => busy.ended, 'the busy one is closed');
  busy.socket.end();
  await closing;
  assert.equal(listener.stats().queries, 1);
  assert.equal(clock.pending, 0);
  await listener.close(0);
});

test('closing cuts what is not answered in time', async (t) => {
  const held = new Held();
  const opened = await open(t, held.handler);
  const client = await connected(opened);
  client.socket.write(framed(1));
  await until(() => held.responses.length === 1, 'the query');
  const closing = opened.listener.close(3_000);
  opened.clock.advance(3_000);
  await closing;
  await until(() => client.ended, 'the connection is cut');
  assert.equal(opened.listener.stats().closed.shutdown, 1);
  held.answer(1);
});

test('answering twice is a broken invariant', async (t) => {
  let second: (() => void) | null = null;
  const { connect } = await open(t, (message, from, respond) => {
    echo(message, from, respond);
    second = () => respond(message);
  });
  const client = await connect();
  client.socket.write(framed(1));
  await client.messages(1);
  assert.throws(() => second?.(), /answered once/);
});

test('a port in use is reported with address, port, protocol and what to do', async (t) => {
  const { listener, clock } = await open(t, echo, {}, '::1');
  const { port } = listener.address;
  const error: unknown = await openTcpListener(listener.address, echo, { clock }).catch(
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof DaemonError);
  assert.equal(error.code, 'listen-failed');
  assert.match(error.message, new RegExp(`TCP \\[::1\\]:${port} \\(EADDRINUSE\\)`));
  assert.match(error.message, new RegExp(`ss -tlpn 'sport = :${port}'`));
});
