import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { DnsClient, QueryHandler } from '../../../src/adapters/dns/query-handler.ts';
import { openUdpListener } from '../../../src/adapters/dns/udp-listener.ts';
import type { UdpListener } from '../../../src/adapters/dns/udp-listener.ts';
import { expandWildcard } from '../../../src/adapters/dns/wildcard.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { FLAG } from '../../../src/core/dns/constants.ts';
import { buildMessage, readMessage } from '../../support/dns-message.ts';
import { openUdpClient, until } from '../../support/dns-peer.ts';
import type { UdpClient } from '../../support/dns-peer.ts';

const query = (id: number): Uint8Array => buildMessage({ id, qname: 'web.example.' });

/** Sends the query back as a response. */
const echo: QueryHandler = (message, _client, respond) => {
  const response = Uint8Array.from(message);
  response[2] = 0x80;
  respond(response);
};

interface Opened {
  readonly listener: UdpListener;
  readonly client: UdpClient;
}

async function open(t: TestContext, handler: QueryHandler, host = '127.0.0.1'): Promise<Opened> {
  const listener = await openUdpListener({ address: host, port: 0 }, handler);
  t.after(() => listener.close());
  const client = await openUdpClient(listener.address);
  t.after(() => client.close());
  return { listener, client };
}

for (const [host, family] of [
  ['127.0.0.1', 4],
  ['::1', 6],
] as const) {
  test(`a query over IPv${family} reaches the handler with its client, and is answered`, async (t) => {
    const clients: DnsClient[] = [];
    const { listener, client } = await open(
      t,
      (message, from, respond) => {
        clients.push(from);
        echo(message, from, respond);
      },
      host,
    );
    assert.equal(readMessage(await client.ask(query(77))).id, 77);
    const { port } = client.socket.address();
    assert.deepEqual(clients, [{ protocol: 'udp', family, address: host, port }]);
    assert.equal(listener.address.address, host);
    await until(() => listener.stats().sent === 1, 'the answer is counted');
    assert.equal(listener.stats().received, 1);
  });
}

test('every address of the node, opened by itself, answers from the address that was asked', async (t) => {
  const addresses = expandWildcard({ address: '::', port: 0 }, networkInterfaces());
  assert.ok(addresses.length > 0);
  for (const { address } of addresses) {
    // The client is connected, so its kernel drops answers from elsewhere.
    const { client } = await open(t, echo, address);
    assert.equal(readMessage(await client.ask(query(5))).id, 5);
  }
});

test('IPv4 and IPv6 listeners share a port', async (t) => {
  const six = await openUdpListener({ address: '::', port: 0 }, echo);
  t.after(() => six.close());
  const four = await openUdpListener({ address: '0.0.0.0', port: six.address.port }, echo);
  t.after(() => four.close());
  assert.equal(four.address.port, six.address.port);
});

test('responses and fragments of a header are met with silence and counted', async (t) => {
  const { listener, client } = await open(t, echo);
  client.send(buildMessage({ qname: 'web.example.', flags: FLAG.QR }));
  client.send(new Uint8Array(11));
  client.send(new Uint8Array(0));
  assert.equal(readMessage(await client.ask(query(9))).id, 9);
  assert.equal(client.received.length, 1);
  const { dropped, received } = listener.stats();
  assert.deepEqual([dropped.response, dropped.short, received], [1, 2, 4]);
});

test('the handler may use one buffer for all its answers', async (t) => {
  const scratch = new Uint8Array(512);
  const { client } = await open(t, (message, _client, respond) => {
    scratch.set(message);
    scratch[2] = 0x80;
    respond(scratch.subarray(0, message.length));
    scratch.fill(0xff);
  });
  for (let id = 1; id <= 50; id++) assert.equal(readMessage(await client.ask(query(id))).id, id);
});

test('an answer that comes later is sent, one after close is ignored', async (t) => {
  const held: ((response: Uint8Array) => void)[] = [];
  const { listener, client } = await open(t, (_message, _client, respond) => held.push(respond));
  client.send(query(1));
  client.send(query(2));
  await until(() => held.length === 2, 'both queries');
  held[0]?.(buildMessage({ id: 1, flags: FLAG.QR, qname: 'web.example.' }));
  await until(() => client.received.length === 1, 'the late answer');
  await listener.close();
  held[1]?.(buildMessage({ id: 2, flags: FLAG.QR, qname: 'web.example.' }));
  assert.equal(listener.stats().sent, 1);
  await listener.close();
});

/** Fails unless the socket of `listener` is closed. */
async function portIsFree({ address }: UdpListener): Promise<void> {
  await (await openUdpListener(address, echo)).close();
}

interface Waiting extends Opened {
  /** Answers the one query that is under way. */
  readonly answer: () => void;
  readonly closing: Promise<void>;
  /** Whether `closing` is resolved. */
  readonly isClosed: () => boolean;
  readonly passDeadline: () => void;
}

/** A listener that was told to close, with a deadline, while its handler holds one query. */
async function closeWhileAsked(t: TestContext): Promise<Waiting> {
  let passDeadline = (): void => undefined;
  const deadline = new Promise<void>((resolve) => (passDeadline = resolve));
  // Before `open` registers its own, which wait for this `close`, should the test fail on the way.
  t.after(() => passDeadline());
  const held: ((response: Uint8Array) => void)[] = [];
  const opened = await open(t, (_message, _client, respond) => held.push(respond));
  opened.client.send(query(1));
  await until(() => held.length === 1, 'the query');
  let closed = false;
  const closing = opened.listener.close(deadline).then(() => void (closed = true));
  return {
    ...opened,
    answer: () => held[0]?.(buildMessage({ id: 1, flags: FLAG.QR, qname: 'web.example.' })),
    isClosed: () => closed,
    closing,
    passDeadline,
  };
}

/** Long enough for a socket that is closed at once to say so, which takes one turn. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('close with a deadline answers the query under way, then closes before the deadline', async (t) => {
  const { listener, client, answer, closing, isClosed } = await closeWhileAsked(t);
  await someTurns();
  assert.equal(isClosed(), false);
  answer();
  await closing;
  await until(() => client.received.length === 1, 'the answer');
  assert.equal(readMessage(client.received[0] ?? new Uint8Array(0)).id, 1);
  assert.equal(listener.stats().sent, 1);
  await portIsFree(listener);
});

test('a handler that never answers holds close until the deadline and no longer', async (t) => {
  const { listener, client, answer, closing, isClosed, passDeadline } = await closeWhileAsked(t);
  await someTurns();
  assert.equal(isClosed(), false);
  passDeadline();
  await closing;
  await portIsFree(listener);
  answer();
  await someTurns();
  assert.deepEqual([client.received.length, listener.stats().sent], [0, 0]);
});

test('close without a deadline does not wait for the query under way', async (t) => {
  const held: unknown[] = [];
  const { listener, client } = await open(t, (_message, _client, respond) => held.push(respond));
  client.send(query(1));
  await until(() => held.length === 1, 'the query');
  await listener.close();
  await portIsFree(listener);
  assert.equal(listener.stats().sent, 0);
});

test('close with a deadline does not wait for it when no query is under way', async (t) => {
  const { listener, client } = await open(t, echo);
  await client.ask(query(1));
  await until(() => listener.stats().sent === 1, 'the answer is counted');
  await listener.close(new Promise<void>(() => undefined));
  await portIsFree(listener);
});

test('answering twice is a broken invariant', async (t) => {
  let second: (() => void) | null = null;
  const { client } = await open(t, (message, from, respond) => {
    echo(message, from, respond);
    second = () => respond(message);
  });
  await client.ask(query(1));
  assert.throws(() => second?.(), /answered once/);
});

test('an answer that is too large for a datagram is counted and kills nothing', async (t) => {
  const { listener, client } = await open(t, (message, from, respond) => {
    if (readMessage(message).id === 1) respond(new Uint8Array(65_535));
    else echo(message, from, respond);
  });
  client.send(query(1));
  await until(() => listener.stats().sendErrors['EMSGSIZE'] === 1, 'the error is counted');
  assert.equal(readMessage(await client.ask(query(2))).id, 2);
});

test('the receive buffer is larger than the system’s default where the system allows it', async (t) => {
  const plain = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => plain.close());
  await once(plain, 'listening');
  const { listener } = await open(t, echo);
  assert.ok(listener.receiveBufferBytes >= plain.getRecvBufferSize());
});

const failsToOpen = (address: string, port: number): Promise<unknown> =>
  openUdpListener({ address, port }, echo).then(
    () => null,
    (error: unknown) => error,
  );

test('a port in use is reported with address, port, protocol and what to do', async (t) => {
  const { listener } = await open(t, echo);
  const { port } = listener.address;
  const error = await failsToOpen('127.0.0.1', port);
  assert.ok(error instanceof DaemonError);
  assert.equal(error.code, 'listen-failed');
  assert.match(error.message, new RegExp(`UDP 127\\.0\\.0\\.1:${port} \\(EADDRINUSE\\)`));
  assert.match(error.message, new RegExp(`ss -ulpn 'sport = :${port}'`));
});

test('an address that the node does not have is reported with a remedy', async () => {
  const error = await failsToOpen('192.0.2.199', 5353);
  assert.ok(error instanceof DaemonError);
  assert.match(
    error.message,
    /UDP 192\.0\.2\.199:5353 .*no interface of this node has the address/,
  );
});
