import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { systemClock } from '../../../src/adapters/clock.ts';
import { loadNativeUdp } from '../../../src/adapters/dns/native/native-udp.ts';
import { UNANSWERED_MAX } from '../../../src/adapters/dns/native/thread-control.ts';
import type { DnsClient, QueryHandler } from '../../../src/adapters/dns/query-handler.ts';
import type { SocketAddress } from '../../../src/core/config/config.ts';
import { FLAG, RCODE } from '../../../src/core/dns/constants.ts';
import type { Log } from '../../../src/core/ports.ts';
import { DnsCounters } from '../../../src/core/respond/counters.ts';
import { SampleControl } from '../../../src/core/respond/query-sample.ts';
import { TopNames } from '../../../src/core/respond/top-names.ts';
import type { ThreadedListener } from '../../../src/daemon/dns/threaded-listener.ts';
import { UdpThreads } from '../../../src/daemon/dns/udp-threads.ts';
import { buildMessage, readMessage } from '../../support/dns-message.ts';
import { openUdpClient, until } from '../../support/dns-peer.ts';
import type { UdpClient } from '../../support/dns-peer.ts';

const native = await loadNativeUdp();
const skip = native.ok ? false : native.error;

/** `letter` decides what the worker does, see scripted-udp-worker.ts. */
const query = (id: number, letter = 'a'): Uint8Array =>
  buildMessage({ id, qname: `${letter}.example.` });

const echo: QueryHandler = (message, _client, respond) => {
  const response = Uint8Array.from(message);
  response[2] = 0x80;
  respond(response);
};

interface Opened {
  readonly threads: UdpThreads;
  readonly listeners: readonly ThreadedListener[];
  /** Events of log lines. */
  readonly logged: readonly string[];
}

interface Options {
  readonly threads?: number;
  readonly addresses?: readonly string[];
  readonly handler?: QueryHandler;
}

function open(t: TestContext, options: Options = {}): Opened {
  assert.ok(native.ok);
  const logged: string[] = [];
  const note = (event: string): void => void logged.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const top = new TopNames(0);
  const sample = SampleControl.create();
  const threads = new UdpThreads({
    native: native.value,
    clock: systemClock,
    random: Math.random,
    log,
    memories: Array.from({ length: options.threads ?? 1 }, () => ({
      counters: DnsCounters.create(),
      names: top.addThread(),
      sample,
    })),
    onPrefetch: () => undefined,
    onQuery: () => undefined,
    url: new URL('./scripted-udp-worker.js', import.meta.url),
  });
  t.after(() => threads.stop());
  const addresses = options.addresses ?? ['127.0.0.1'];
  const listeners = addresses.map((address) =>
    threads.open({ address, port: 0 }, options.handler ?? echo),
  );
  threads.start();
  return { threads, listeners, logged };
}

async function connect(t: TestContext, server: SocketAddress): Promise<UdpClient> {
  const client = await openUdpClient(server);
  t.after(() => client.close());
  return client;
}

/** A table as scripted-udp-worker.ts reads it. */
function publish(threads: UdpThreads, marker: number): void {
  const buffer = new SharedArrayBuffer(1);
  new Uint8Array(buffer)[0] = marker;
  threads.publish({ kind: 'table', table: { buffer, root: 0 }, zoneSlots: new Uint8Array(0) });
}

for (const address of ['127.0.0.1', '::1']) {
  test(`a thread answers queries to ${address} and counts them`, { skip }, async (t) => {
    const { listeners } = open(t, { addresses: [address] });
    const [listener] = listeners;
    assert.ok(listener);
    assert.equal(listener.address.address, address);
    const client = await connect(t, listener.address);
    for (let id = 1; id <= 20; id++) {
      assert.equal(readMessage(await client.ask(query(id))).id, id);
    }
    await until(() => listener.stats().sent === 20, 'all answers are counted');
    assert.equal(listener.stats().received, 20);
    assert.ok(listener.receiveBufferBytes > 0);
  });
}

/** Threads whose handed-over queries wait until the test calls what is held. */
function openHolding(t: TestContext): ReturnType<typeof open> & { readonly held: (() => void)[] } {
  const held: (() => void)[] = [];
  const opened = open(t, {
    handler: (message, client, respond) => {
      const copy = Uint8Array.from(message);
      held.push(() => echo(copy, client, respond));
    },
  });
  return { ...opened, held };
}

test('a wildcard answers from the address that was asked', { skip }, async (t) => {
  const { listeners } = open(t, { addresses: ['0.0.0.0'] });
  const { port } = listeners[0]!.address;
  for (const address of ['127.0.0.1', '127.0.0.2', '127.3.2.1']) {
    // The client is connected, so its kernel drops answers from elsewhere.
    const client = await connect(t, { address, port });
    assert.equal(readMessage(await client.ask(query(5))).id, 5);
    // The same for answers of the main thread.
    assert.equal(readMessage(await client.ask(query(6, 'f'))).id, 6);
  }
});

test(
  'an IPv6 wildcard leaves IPv4 to others and answers from the address asked',
  { skip },
  async (t) => {
    const { threads, listeners } = open(t, { addresses: ['::'] });
    const { port } = listeners[0]!.address;
    threads.open({ address: '0.0.0.0', port }, echo);
    for (const address of ['::1', '127.0.0.2']) {
      const client = await connect(t, { address, port });
      assert.equal(readMessage(await client.ask(query(7))).id, 7);
      assert.equal(readMessage(await client.ask(query(8, 'f'))).id, 8);
    }
  },
);

test('several threads share an address, and each answers some clients', { skip }, async (t) => {
  const { listeners } = open(t, { threads: 2 });
  const [listener] = listeners;
  assert.ok(listener);
  for (let i = 0; i < 40; i++) {
    const client = await connect(t, listener.address);
    assert.equal(readMessage(await client.ask(query(i))).id, i);
  }
  const perThread = listener.group.threadSockets.map(
    ({ counters }) => new Float64Array(counters)[0]!,
  );
  assert.equal(perThread.length, 2);
  for (const received of perThread) assert.ok(received > 0, `${perThread.join(' and ')} queries`);
});

test('one thread answers on several addresses', { skip }, async (t) => {
  const { listeners } = open(t, { addresses: ['127.0.0.1', '127.0.0.2', '::1'] });
  for (const { address } of listeners) {
    const client = await connect(t, address);
    for (let id = 1; id <= 5; id++) assert.equal(readMessage(await client.ask(query(id))).id, id);
  }
});

test('what the threads cannot answer is answered by the main thread', { skip }, async (t) => {
  const clients: DnsClient[] = [];
  const { listeners } = open(t, {
    addresses: ['127.0.0.1', '::1'],
    handler(message, client, respond) {
      clients.push(client);
      const copy = Uint8Array.from(message);
      setImmediate(() => echo(copy, client, respond));
    },
  });
  for (const listener of listeners) {
    const client = await connect(t, listener.address);
    assert.equal(readMessage(await client.ask(query(77, 'f'))).id, 77);
    const { port, address } = client.socket.address();
    const family = address === '::1' ? 6 : 4;
    assert.deepEqual(clients.pop(), { protocol: 'udp', family, address, port });
    assert.deepEqual([listener.stats().received, listener.stats().sent], [1, 1]);
  }
});

test(
  'the next query after a publication gets what was published, from every thread',
  { skip },
  async (t) => {
    const { threads, listeners } = open(t, { threads: 2 });
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => connect(t, listeners[0]!.address)),
    );
    for (let marker = 1; marker <= 15; marker++) {
      publish(threads, marker);
      for (const client of clients) {
        assert.equal(readMessage(await client.ask(query(1))).rcode, marker);
      }
    }
  },
);

test(
  'queries beyond those that may wait get SERVFAIL at once, until some are answered',
  { skip },
  async (t) => {
    const { held, listeners } = openHolding(t);
    const [listener] = listeners;
    assert.ok(listener);
    const client = await connect(t, listener.address);
    const step = 100;
    for (let sent = 0; sent < UNANSWERED_MAX; sent += step) {
      for (let i = 0; i < step; i++) client.send(query(1, 'f'));
      await until(() => held.length === sent + step, `${sent + step} queries`);
    }
    const refused = readMessage(await client.ask(query(2, 'f')));
    assert.deepEqual([refused.id, refused.rcode], [2, RCODE.SERVFAIL]);
    assert.equal(held.length, UNANSWERED_MAX);
    held[0]?.();
    await until(() => client.received.length === 2, 'the late answer');
    client.send(query(3, 'f'));
    await until(() => held.length === UNANSWERED_MAX + 1, 'one more is handed over');
  },
);

test('an empty response is silence, and the query waits no longer', { skip }, async (t) => {
  const { listeners } = open(t, {
    handler: (_message, _client, respond) => respond(new Uint8Array(0)),
  });
  const [listener] = listeners;
  assert.ok(listener);
  const client = await connect(t, listener.address);
  client.send(query(1, 'f'));
  assert.equal(readMessage(await client.ask(query(2))).id, 2);
  await listener.close(new Promise<void>(() => undefined));
  assert.equal(client.received.length, 1);
  assert.equal(listener.stats().sent, 1);
});

test(
  'responses and fragments of a header are met with silence and counted',
  { skip },
  async (t) => {
    const { listeners } = open(t);
    const client = await connect(t, listeners[0]!.address);
    client.send(buildMessage({ qname: 'a.example.', flags: FLAG.QR }));
    client.send(new Uint8Array(11));
    client.send(new Uint8Array(0));
    assert.equal(readMessage(await client.ask(query(9))).id, 9);
    assert.equal(client.received.length, 1);
    const { dropped, received } = listeners[0]!.stats();
    assert.deepEqual([dropped.response, dropped.short, received], [1, 2, 4]);
  },
);

test(
  'a thread that dies is logged and starts again with what was published last',
  { skip },
  async (t) => {
    const { threads, listeners, logged } = open(t);
    publish(threads, 3);
    const client = await connect(t, listeners[0]!.address);
    client.send(query(1, 'x'));
    // Waits in the socket until the thread is back.
    await until(() => logged.includes('udp-thread-ended'), 'the end of the thread');
    const reply = readMessage(await client.ask(query(2)));
    assert.deepEqual([reply.id, reply.rcode], [2, 3]);
    assert.equal(threads.restarts, 1);
    assert.deepEqual(logged, ['udp-thread-failed', 'udp-thread-ended']);
    assert.equal(listeners[0]!.stats().received, 2);
  },
);

test('that no thread may go before others is logged once', { skip }, async (t) => {
  const { threads, listeners, logged } = open(t, { threads: 2 });
  assert.equal(threads.nice, null);
  for (let id = 1; id <= 8; id++) {
    const client = await connect(t, listeners[0]!.address);
    await client.ask(query(id, 'n'));
  }
  await until(() => threads.nice === 0, 'the report');
  // What was reported before this is here with it.
  const client = await connect(t, listeners[0]!.address);
  await client.ask(query(9, 'f'));
  assert.deepEqual(logged, ['udp-priority-refused']);
});

test('queries handed over by a thread that died are answered', { skip }, async (t) => {
  const held: (() => void)[] = [];
  const { listeners, logged } = open(t, {
    handler: (message, client, respond) => {
      const copy = Uint8Array.from(message);
      held.push(() => echo(copy, client, respond));
    },
  });
  const client = await connect(t, listeners[0]!.address);
  client.send(query(1, 'f'));
  await until(() => held.length === 1, 'the query');
  client.send(query(2, 'x'));
  await until(() => logged.includes('udp-thread-ended'), 'the end of the thread');
  held[0]?.();
  await until(() => client.received.length === 1, 'the answer');
  assert.equal(readMessage(client.received[0] ?? new Uint8Array(0)).id, 1);
});

/** Fails unless the port is free. */
async function portIsFree({ address, port }: SocketAddress): Promise<void> {
  const socket = createSocket('udp4').bind(port, address);
  await once(socket, 'listening');
  await new Promise<void>((resolve) => socket.close(resolve));
}

test(
  'stop takes well under a second, whatever the threads wait for, and frees the ports',
  { skip },
  async (t) => {
    for (const addresses of [['127.0.0.1'], ['127.0.0.1', '127.0.0.2']]) {
      const { threads, listeners } = open(t, { threads: 2, addresses });
      const client = await connect(t, listeners[0]!.address);
      await client.ask(query(1));
      const start = performance.now();
      await threads.stop();
      assert.ok(performance.now() - start < 1_000);
      for (const { address } of listeners) await portIsFree(address);
      await threads.stop();
    }
  },
);

test('stop ends a thread that never comes back from a packet', { skip }, async (t) => {
  const { threads, listeners } = open(t);
  const client = await connect(t, listeners[0]!.address);
  await client.ask(query(1));
  client.send(query(2, 'l'));
  await threads.stop();
  await portIsFree(listeners[0]!.address);
});

test('a listener closes by itself, others go on, and new ones are opened', { skip }, async (t) => {
  const { threads, listeners } = open(t, { threads: 2, addresses: ['127.0.0.1', '127.0.0.2'] });
  const [first, second] = listeners;
  assert.ok(first && second);
  const client = await connect(t, second.address);
  await client.ask(query(1));
  await first.close();
  await portIsFree(first.address);
  assert.equal(readMessage(await client.ask(query(2))).id, 2);
  const third = threads.open(first.address, echo);
  const other = await connect(t, third.address);
  assert.equal(readMessage(await other.ask(query(3))).id, 3);
  await second.close();
  await third.close();
  const fourth = threads.open(first.address, echo);
  assert.equal(readMessage(await other.ask(query(4))).id, 4);
  assert.equal(fourth.stats().received, 1);
});

test(
  'close with a deadline waits for the query under way, and no longer than for that',
  { skip },
  async (t) => {
    const { held, listeners } = openHolding(t);
    const [listener] = listeners;
    assert.ok(listener);
    const client = await connect(t, listener.address);
    client.send(query(1, 'f'));
    client.send(query(2, 'f'));
    await until(() => held.length === 2, 'both queries');
    const closing = listener.close(new Promise<void>(() => undefined));
    held[0]?.();
    held[1]?.();
    await closing;
    await until(() => client.received.length === 2, 'both answers');
    await portIsFree(listener.address);
  },
);

test('an answer after close is ignored', { skip }, async (t) => {
  const { held, listeners } = openHolding(t);
  const client = await connect(t, listeners[0]!.address);
  client.send(query(1, 'f'));
  await until(() => held.length === 1, 'the query');
  await listeners[0]!.close();
  held[0]?.();
  assert.equal(listeners[0]!.stats().sent, 0);
});

test('a second daemon on the same port is told who to look for', { skip }, (t) => {
  const { threads, listeners } = open(t, { threads: 2 });
  const { port } = listeners[0]!.address;
  assert.throws(() => threads.open({ address: '127.0.0.1', port }, echo), {
    code: 'listen-failed',
    message: new RegExp(`UDP 127\\.0\\.0\\.1:${port} \\(EADDRINUSE\\)`),
  });
});
