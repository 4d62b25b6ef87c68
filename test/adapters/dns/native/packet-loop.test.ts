import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BATCH_MAX, SLOT_BYTES } from '../../../../src/adapters/dns/native/batch-memory.ts';
import { handedOverQueries } from '../../../../src/adapters/dns/native/handed-over.ts';
import type { HandedOverQuery } from '../../../../src/adapters/dns/native/handed-over.ts';
import { loadLibc } from '../../../../src/adapters/dns/native/libc.ts';
import type { Libc } from '../../../../src/adapters/dns/native/libc.ts';
import { openNativeUdpSockets } from '../../../../src/adapters/dns/native/native-udp-socket.ts';
import { PacketLoop } from '../../../../src/adapters/dns/native/packet-loop.ts';
import type { PacketLoopParts } from '../../../../src/adapters/dns/native/packet-loop.ts';
import type { ThreadSocket } from '../../../../src/adapters/dns/native/socket-group.ts';
import {
  ThreadControl,
  UNANSWERED_MAX,
} from '../../../../src/adapters/dns/native/thread-control.ts';
import {
  COUNTER,
  createCounters,
  sendErrorCounter,
  sumCounters,
} from '../../../../src/adapters/dns/native/udp-counters.ts';
import { parseIpAddress } from '../../../../src/core/base/address.ts';
import { DROP, FORWARD } from '../../../../src/core/dns/answer.ts';
import type { PacketHandler } from '../../../../src/core/respond/packet-handler.ts';
import { until } from '../../../support/dns-peer.ts';

/*
 * The loop runs in the thread of the test: packets are in its socket before it starts, and it is
 * told to stop by the last of them.
 */

const loaded = await loadLibc();
const skip = loaded.ok ? false : loaded.error;

const echo: PacketHandler = (message, length, _client, _nowMs, out) => {
  out.set(message.subarray(0, length));
  return length;
};

interface Bench {
  readonly libc: Libc;
  readonly control: ThreadControl;
  readonly sockets: readonly ThreadSocket[];
  readonly client: Socket;
  readonly replies: readonly Buffer[];
  /** Counts of socket `i`. */
  readonly counts: (i?: number) => Float64Array;
  /** Puts a message into the receive queue of socket `i`. */
  readonly send: (message: Uint8Array, i?: number) => Promise<void>;
  /** Runs a loop that stops when `packets` were handled; gives what it handed over. */
  readonly run: (packets: number, parts?: Partial<PacketLoopParts>) => readonly HandedOverQuery[];
}

async function bench(t: TestContext, addresses: readonly string[] = ['127.0.0.1']): Promise<Bench> {
  assert.ok(loaded.ok);
  const libc = loaded.value;
  const sockets = addresses.map((address, i): ThreadSocket => {
    const [socket] = openNativeUdpSockets(libc, { address, port: 0 }, 1);
    const ip = parseIpAddress(address);
    assert.ok(socket && ip);
    t.after(() => socket.close());
    const { fd, family, isWildcard } = socket;
    const { port } = socket.address;
    const counters = createCounters();
    return { id: i + 1, fd, family, isWildcard, address: ip.bytes, port, counters };
  });
  const client = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => client.close());
  await once(client, 'listening');
  const replies: Buffer[] = [];
  client.on('message', (message) => replies.push(message));
  const control = new ThreadControl();
  return {
    libc,
    control,
    sockets,
    client,
    replies,
    counts: (i = 0) => new Float64Array(sockets[i]!.counters),
    send: (message, i = 0) =>
      new Promise<void>((resolve, reject) => {
        client.send(message, sockets[i]!.port, '127.0.0.1', (error) =>
          error ? reject(error) : resolve(),
        );
      }),
    run(packets, parts = {}) {
      const handedOver: HandedOverQuery[] = [];
      let handled = 0;
      const handle = parts.handle ?? echo;
      const loop = new PacketLoop(
        {
          libc,
          control,
          overload: () => DROP,
          now: () => 0,
          onMail: () => undefined,
          onIdle: () => undefined,
          onSockets: () => undefined,
          handOver: (batch) => handedOver.push(...handedOverQueries(batch)),
          ...parts,
          handle(...packet) {
            if (++handled === packets) control.stop();
            return handle(...packet);
          },
        },
        sockets,
      );
      loop.run();
      assert.equal(handled, packets);
      return handedOver;
    },
  };
}

/** A query of `length` octets that says its number. */
function query(number: number, length = 20): Uint8Array {
  const message = new Uint8Array(length);
  message[0] = number >>> 8;
  message[1] = number;
  return message;
}

const idOf = (message: Uint8Array): number => (message[0]! << 8) | message[1]!;

test(
  'more packets than a batch are answered in their order, each to its client',
  { skip },
  async (t) => {
    const { send, run, replies, counts } = await bench(t);
    const count = 2 * BATCH_MAX + 7;
    for (let i = 0; i < count; i++) await send(query(i, 12 + i));
    run(count);
    await until(() => replies.length === count, 'all answers');
    assert.deepEqual(
      replies.map((reply) => [idOf(reply), reply.length]),
      Array.from({ length: count }, (_, i) => [i, 12 + i]),
    );
    assert.deepEqual([counts()[COUNTER.RECEIVED], counts()[COUNTER.SENT]], [count, count]);
  },
);

test('packets without an answer leave no gap', { skip }, async (t) => {
  const { send, run, replies, counts } = await bench(t);
  for (let i = 0; i < 30; i++) await send(query(i));
  run(30, { handle: (...packet) => (idOf(packet[0]) % 3 === 0 ? echo(...packet) : DROP) });
  await until(() => replies.length === 10, 'all answers');
  assert.deepEqual(replies.map(idOf), [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
  assert.deepEqual([counts()[COUNTER.RECEIVED], counts()[COUNTER.SENT]], [30, 10]);
});

test('the handler gets the client’s address as octets', { skip }, async (t) => {
  const { send, run } = await bench(t);
  await send(query(1));
  const seen: unknown[] = [];
  run(1, {
    handle(_message, _length, { family, bytes, offset }) {
      seen.push([family, ...bytes.subarray(offset, offset + 4)]);
      return DROP;
    },
  });
  assert.deepEqual(seen, [[4, 127, 0, 0, 1]]);
});

test('a datagram that is longer than a slot is handled as cut', { skip }, async (t) => {
  const { send, run } = await bench(t);
  await send(query(1, SLOT_BYTES + 1000));
  await send(query(2, SLOT_BYTES));
  const lengths: number[] = [];
  run(2, {
    handle(_message, length) {
      lengths.push(length);
      return DROP;
    },
  });
  assert.deepEqual(lengths, [SLOT_BYTES, SLOT_BYTES]);
});

test(
  'an answer that the kernel refuses is counted and does not keep the next from going out',
  { skip },
  async (t) => {
    const { libc, send, run, replies, counts } = await bench(t);
    for (let i = 0; i < 3; i++) await send(query(i));
    const refused: number[] = [];
    run(3, {
      libc: {
        ...libc,
        // As a firewall may: the second of three is refused when it is the first of a call.
        sendmmsg(fd, headers, count, flags) {
          if (count === 3) return libc.sendmmsg(fd, headers, 1, flags);
          if (count === 2) refused.push(constants.errno.EPERM);
          return count === 2 ? -1 : libc.sendmmsg(fd, headers, count, flags);
        },
        errno: () => refused.at(-1) ?? libc.errno(),
      },
    });
    await until(() => replies.length === 2, 'two answers');
    assert.deepEqual(replies.map(idOf), [0, 2]);
    assert.deepEqual(
      [counts()[COUNTER.SENT], counts()[sendErrorCounter(constants.errno.EPERM)]],
      [2, 1],
    );
  },
);

test('a full send queue drops the rest of the batch', { skip }, async (t) => {
  const { libc, send, run, counts } = await bench(t);
  for (let i = 0; i < 5; i++) await send(query(i));
  let calls = 0;
  run(5, {
    libc: {
      ...libc,
      sendmmsg: (fd, headers, _count, flags) =>
        ++calls === 1 ? libc.sendmmsg(fd, headers, 2, flags) : -1,
      errno: () => constants.errno.EAGAIN,
    },
  });
  assert.equal(calls, 2);
  assert.deepEqual([counts()[COUNTER.SENT], counts()[COUNTER.UNSENT]], [2, 3]);
});

test('errors while receiving are counted, and the loop goes on', { skip }, async (t) => {
  const { libc, send, run, replies, counts } = await bench(t);
  await send(query(1));
  const errors = [constants.errno.ENOMEM, constants.errno.EINTR, constants.errno.ECONNREFUSED];
  let idle = 0;
  run(1, {
    libc: {
      ...libc,
      recvmmsg: (...call) => (errors.length > 0 ? -1 : libc.recvmmsg(...call)),
      errno: () => errors.pop() ?? 0,
    },
    onIdle: () => idle++,
  });
  await until(() => replies.length === 1, 'the answer');
  assert.deepEqual([counts()[COUNTER.SOCKET_ERRORS], idle], [2, 0]);
});

test(
  'queries for the main thread come in one batch, with the socket they came by',
  { skip },
  async (t) => {
    const { client, control, send, run, replies, sockets } = await bench(t);
    for (let i = 0; i < 4; i++) await send(query(i));
    const handle: PacketHandler = (...packet) => (idOf(packet[0]) < 3 ? FORWARD : echo(...packet));
    const queries = run(4, { handle });
    assert.deepEqual(
      queries.map(({ socketId, message }) => [socketId, idOf(message), message.length]),
      [0, 1, 2].map((id) => [sockets[0]!.id, id, 20]),
    );
    const { address, port } = client.address();
    assert.deepEqual(queries[0]!.client, { protocol: 'udp', family: 4, address, port });
    assert.equal(control.unanswered, 3);
    await until(() => replies.length === 1, 'the answer');
  },
);

test('when too many wait, the query is answered by the overload handler', { skip }, async (t) => {
  const { control, send, run, replies } = await bench(t);
  control.recount(UNANSWERED_MAX - 2);
  for (let i = 0; i < 5; i++) await send(query(i));
  const queries = run(5, { handle: () => FORWARD, overload: echo });
  assert.equal(queries.length, 2);
  await until(() => replies.length === 3, 'three answers');
  assert.deepEqual(replies.map(idOf), [2, 3, 4]);
  assert.equal(control.unanswered, UNANSWERED_MAX);
});

test('several sockets are read in turn, each with counts of its own', { skip }, async (t) => {
  const { send, run, replies, counts } = await bench(t, ['127.0.0.1', '127.0.0.1', '::1']);
  for (let i = 0; i < 6; i++) await send(query(i), i % 2);
  run(6);
  await until(() => replies.length === 6, 'all answers');
  assert.deepEqual(
    [0, 1, 2].map((i) => counts(i)[COUNTER.RECEIVED]),
    [3, 3, 0],
  );
});

test(
  'a message that was announced before a packet is read before the packet is answered',
  { skip },
  async (t) => {
    const { control, libc, send, run } = await bench(t);
    await send(query(1));
    const events: string[] = [];
    run(1, {
      libc: {
        ...libc,
        recvmmsg(...call) {
          const count = libc.recvmmsg(...call);
          events.push('received');
          control.announceMail();
          return count;
        },
      },
      onMail: () => events.push('mail'),
      handle() {
        events.push('handled');
        return DROP;
      },
    });
    assert.deepEqual(events, ['mail', 'received', 'mail', 'handled']);
  },
);

test('a thread without sockets waits for mail', { skip }, async (t) => {
  const { libc, control } = await bench(t);
  let mails = 0;
  const loop = new PacketLoop(
    {
      libc,
      control,
      handle: echo,
      overload: echo,
      now: () => 0,
      onMail: () => (++mails === 1 ? control.announceMail() : control.stop()),
      onIdle: () => undefined,
      onSockets: () => undefined,
      handOver: () => undefined,
    },
    [],
  );
  loop.run();
  assert.equal(mails, 2);
});

test('an answer that is longer than its slot is a broken invariant', { skip }, async (t) => {
  const { send, run } = await bench(t);
  await send(query(1));
  assert.throws(() => run(1, { handle: () => SLOT_BYTES + 1 }), /fits into its slot/);
});

test('counts of several threads are summed, errors by their number', () => {
  const [first, second] = [createCounters(), createCounters()];
  new Float64Array(first)[COUNTER.SENT] = 2 ** 33;
  new Float64Array(second)[COUNTER.SENT] = 1;
  new Float64Array(second)[sendErrorCounter(90)] = 4;
  new Float64Array(second)[sendErrorCounter(4_000)] = 5;
  const { counts, sendErrors } = sumCounters([first, second]);
  assert.equal(counts[COUNTER.SENT], 2 ** 33 + 1);
  assert.deepEqual(
    [...sendErrors],
    [
      [90, 4],
      [134, 5],
    ],
  );
});
