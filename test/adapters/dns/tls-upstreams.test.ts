import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { TlsUpstream } from '../../../src/core/base/upstream.ts';
import { addressRecords, buildMessage, readMessage } from '../../support/dns-message.ts';
import { openUpstream, until } from '../../support/dns-peer.ts';
import { missingTools } from '../../support/tools.ts';
import { CertificateFolder } from '../mesos/certificates.ts';
import type { Certificate } from '../mesos/certificates.ts';
import {
  DEADLINE_MS,
  QUERY,
  RESPONSE,
  TIMEOUT_MS,
  addresses,
  outcomes,
  queryFor,
} from './forwarder-rig.ts';
import { openTlsRig, openTlsServer, pinOf } from './tls-server.ts';
import type { TlsQuery, TlsScript } from './tls-server.ts';

const NAME = 'dns.example';
const ANSWERED = 'rcode 0, 1 records';
const IDLE_MS = 30_000;

function answerTo({ message }: TlsQuery): Uint8Array {
  const { id, qname, qtype } = readMessage(message);
  assert.ok(qname !== null && qtype !== null);
  return buildMessage({ id, flags: RESPONSE, qname, qtype, answer: addressRecords(qname, 1) });
}

const answering: TlsScript = (query, reply) => reply(answerTo(query));
const silent: TlsScript = () => undefined;

describe('upstreams over TLS', { skip: missingTools('openssl') }, () => {
  let folder: CertificateFolder;
  let authority: Certificate;
  let certificate: Certificate;

  before(() => {
    folder = new CertificateFolder();
    authority = folder.authority('authority');
    certificate = folder.signed('server', authority, `DNS:${NAME}`);
  });
  after(() => folder.remove());

  test('a server whose certificate is for the name is asked, over TLS alone', async (t) => {
    const server = await openTlsServer(t, certificate, answering);
    const { exchanges, outcome, forwarder } = openTlsRig(t, authority);
    const upstream = server.at({ name: NAME });
    assert.equal(await outcome(upstream), ANSWERED);
    assert.deepEqual(server.connections, [{ alpn: 'dot', name: NAME, resumed: false }]);
    assert.deepEqual(outcomes(exchanges), ['tls rcode 0']);
    const to = `tls://127.0.0.1:${upstream.port}`;
    assert.equal(exchanges[0]?.to, to);
    assert.deepEqual(
      forwarder.health().map((state) => state.to),
      [to],
    );
  });

  test('queries are padded to 128 octets, and have an id of their own', async (t) => {
    const server = await openTlsServer(t, certificate, answering);
    const { forwarder } = openTlsRig(t, authority);
    const upstream = server.at({ name: NAME });
    const long = queryFor(`${'a'.repeat(60)}.${'b'.repeat(60)}.example`);
    const sizes: number[] = [];
    for (const query of [QUERY, long]) {
      query.set([0x12, 0x34]);
      const reply = readMessage(await forwarder.ask(query, [upstream], DEADLINE_MS));
      assert.equal(reply.id, 0x1234);
      const { message } = server.received.at(-1)!;
      sizes.push(message.length);
      assert.match(readMessage(message).opt?.options ?? '', /^000c00..(?:00)*$/);
    }
    assert.deepEqual(sizes, [128, 256]);
    assert.ok(server.received.some(({ message }) => readMessage(message).id !== 0x1234));
  });

  test('many queries share one connection, and replies come in any order', async (t) => {
    const COUNT = 300;
    const waiting: (() => void)[] = [];
    let most = 0;
    const answerAll = (): void => {
      for (const answer of waiting.splice(0).toReversed()) answer();
    };
    const server = await openTlsServer(t, certificate, (query, reply) => {
      waiting.push(() => reply(answerTo(query)));
      most = Math.max(most, waiting.length);
      // Some rounds later, so that more than may come would have come.
      const isFull = server.received.length === 256 || server.received.length === COUNT;
      if (isFull) setImmediate(() => setImmediate(() => setImmediate(answerAll)));
    });
    const { forwarder } = openTlsRig(t, authority);
    const upstream = server.at({ name: NAME });
    const names = Array.from({ length: COUNT }, (_, i) => `name-${i}.example.`);
    const replies = await Promise.all(
      names.map((name) => forwarder.ask(queryFor(name), [upstream], DEADLINE_MS)),
    );
    assert.deepEqual(
      replies.map((reply) => readMessage(reply).qname),
      names,
    );
    assert.equal(server.received.length, COUNT);
    assert.equal(server.connections.length, 1);
    assert.equal(most, 256, 'the others waited for room');
    const first = server.received.slice(0, 256).map(({ message }) => readMessage(message).id);
    assert.equal(new Set(first).size, 256);
  });

  test('a server with another name is told nothing, and the log says which name it has', async (t) => {
    const server = await openTlsServer(t, certificate, answering);
    const { clock, distrusted, exchanges, outcome } = openTlsRig(t, authority);
    const upstream = server.at({ name: 'other.example' });
    const reason =
      'its certificate is not for other.example but for DNS:dns.example: correct the name in the configuration';
    assert.equal(await outcome(upstream), `untrusted (${reason})`);
    assert.deepEqual(distrusted, [`tls://127.0.0.1:${upstream.port}: ${reason}`]);
    assert.deepEqual(outcomes(exchanges), ['tls untrusted']);
    clock.advance(IDLE_MS);
    await outcome(upstream);
    assert.equal(server.received.length, 0);
    assert.equal(distrusted.length, 1, 'told once');
  });

  test('a server of an authority that nobody trusts is told nothing, whatever the environment says', async (t) => {
    const other = folder.authority('other-authority');
    const server = await openTlsServer(
      t,
      folder.signed('foreign', other, `DNS:${NAME}`),
      answering,
    );
    const { outcome } = openTlsRig(t, authority);
    t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    assert.match(await outcome(server.at({ name: NAME })), /^untrusted .* does not know/);
    assert.equal(server.received.length, 0);
  });

  test('a certificate that has expired proves nothing', async (t) => {
    const expired = folder.signed('expired', authority, `DNS:${NAME}`, -1);
    const server = await openTlsServer(t, expired, answering);
    const { outcome } = openTlsRig(t, authority);
    assert.match(
      await outcome(server.at({ name: NAME })),
      /^untrusted .* has expired: its operator/,
    );
    assert.equal(server.received.length, 0);
  });

  test('a pinned key needs no name and no authority', async (t) => {
    const own = folder.authority('own');
    const server = await openTlsServer(t, own, answering);
    const { outcome } = openTlsRig(t, authority);
    const pins = [pinOf(certificate), pinOf(own)];
    assert.equal(await outcome(server.at({ pins })), ANSWERED);
    assert.equal(server.connections[0]?.name, '');
  });

  test('a server with another key than the pinned ones is told nothing', async (t) => {
    const server = await openTlsServer(t, certificate, answering);
    const { distrusted, outcome } = openTlsRig(t, authority);
    const pin = pinOf(authority);
    for (const name of [null, NAME]) {
      const expected = `its key is none of the pinned ones but pin-sha256=${pinOf(certificate)}`;
      const seen = await outcome(server.at({ name, pins: [pin] }));
      assert.ok(seen.startsWith(`untrusted (${expected}`), seen);
    }
    assert.equal(server.received.length, 0);
    assert.equal(distrusted.length, 2);
  });

  test('with a name and a pin both must fit', async (t) => {
    const server = await openTlsServer(t, certificate, answering);
    const { outcome } = openTlsRig(t, authority);
    const pins = [pinOf(certificate)];
    assert.match(await outcome(server.at({ name: 'other.example', pins })), /^untrusted/);
    assert.equal(await outcome(server.at({ name: NAME, pins })), ANSWERED);
  });

  test('what one name has proved is worth nothing for another', async (t) => {
    const server = await openTlsServer(t, certificate, answering);
    const { forwarder, outcome } = openTlsRig(t, authority);
    assert.equal(await outcome(server.at({ name: NAME })), ANSWERED);
    assert.match(await outcome(server.at({ name: 'other.example' })), /^untrusted/);
    forwarder.keep([server.at({ name: 'third.example' })]);
    await until(() => server.open.size === 0, 'the connections that nobody needs are closed');
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`an idle connection is left, and its ${maxVersion} session is used for the next one`, async (t) => {
      const server = await openTlsServer(t, certificate, answering, { maxVersion });
      const { clock, outcome } = openTlsRig(t, authority);
      const upstream = server.at({ name: NAME, pins: [pinOf(certificate)] });
      for (const resumed of [false, true]) {
        assert.equal(await outcome(upstream), ANSWERED);
        assert.equal(server.connections.at(-1)?.resumed, resumed);
        clock.advance(IDLE_MS - 1);
        assert.equal(await outcome(upstream), ANSWERED);
        clock.advance(IDLE_MS);
        await until(() => server.open.size === 0, 'the connection is closed');
      }
      assert.equal(server.connections.length, 2);
    });
  }

  test('TLS 1.1 is too old', async (t) => {
    const old = {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const;
    const server = await openTlsServer(t, certificate, answering, old);
    const { outcome } = openTlsRig(t, authority);
    assert.match(await outcome(server.at({ name: NAME })), /^unreachable/);
    assert.equal(server.received.length, 0);
  });

  test('queries on a connection that is closed are asked once more on a new one', async (t) => {
    const server = await openTlsServer(t, certificate, (query, reply) => {
      if (query.connection > 0) reply(answerTo(query));
      else if (server.received.length === 3) query.socket.destroy();
    });
    const { exchanges, forwarder } = openTlsRig(t, authority);
    const upstream = server.at({ name: NAME });
    const names = ['a.example.', 'b.example.', 'c.example.'];
    await Promise.all(names.map((name) => forwarder.ask(queryFor(name), [upstream], DEADLINE_MS)));
    assert.equal(server.received.length, 6);
    assert.equal(server.connections.length, 2);
    assert.deepEqual(outcomes(exchanges), ['tls rcode 0', 'tls rcode 0', 'tls rcode 0']);
  });

  test('half a reply is none', async (t) => {
    const server = await openTlsServer(t, certificate, (query) => {
      const reply = answerTo(query);
      query.socket.end(Buffer.concat([Buffer.from([0, reply.length]), reply.subarray(0, 20)]));
    });
    const { outcome } = openTlsRig(t, authority);
    assert.equal(await outcome(server.at({ name: NAME })), 'disconnected');
    assert.equal(server.received.length, 2);
  });

  test('a server that always hangs up is left alone for a while, longer each time', async (t) => {
    const server = await openTlsServer(t, certificate, ({ socket }) => socket.destroy());
    const { clock, outcome } = openTlsRig(t, authority);
    const upstream = server.at({ name: NAME });
    assert.equal((await outcome(upstream)).slice(0, 12), 'disconnected');
    assert.equal(server.connections.length, 2);
    assert.equal((await outcome(upstream)).slice(0, 12), 'disconnected');
    assert.equal(server.connections.length, 2, 'not tried');
    clock.advance(500);
    await outcome(upstream);
    assert.equal(server.connections.length, 4);
    clock.advance(500);
    await outcome(upstream);
    assert.equal(server.connections.length, 4);
    server.script = answering;
    clock.advance(5_000);
    assert.equal(await outcome(upstream), ANSWERED);
  });

  test('a silent server is given up at the time limit, and so is its connection', async (t) => {
    const server = await openTlsServer(t, certificate, silent);
    const { clock, outcome } = openTlsRig(t, authority);
    const upstream = server.at({ name: NAME });
    const first = outcome(upstream);
    await until(() => server.received.length === 1, 'the query is there');
    clock.advance(TIMEOUT_MS);
    assert.equal(await first, 'timeout');
    await until(() => server.open.size === 0, 'the connection is closed');
    server.script = answering;
    clock.advance(5_000);
    assert.equal(await outcome(upstream), ANSWERED);
  });

  test('a reply that comes too late, or to nothing, is passed over', async (t) => {
    const server = await openTlsServer(t, certificate, (query, reply) => {
      const answer = answerTo(query);
      const stranger = new Uint8Array(answer);
      stranger[0] = answer[0]! ^ 0xff;
      reply(stranger);
      reply(new Uint8Array(3));
      reply(answer);
    });
    const { outcome } = openTlsRig(t, authority);
    assert.equal(await outcome(server.at({ name: NAME })), ANSWERED);
  });

  test('a server that says what nobody asked is left', async (t) => {
    const server = await openTlsServer(t, certificate, (_query, reply) => {
      for (let i = 0; i < 20; i++) reply(new Uint8Array(12));
    });
    const { outcome } = openTlsRig(t, authority);
    assert.equal(await outcome(server.at({ name: NAME })), 'strays');
  });

  test('a server without TLS hears no clear text, over TCP or UDP', async (t) => {
    const plain = await openUpstream(addresses(1));
    const { outcome } = openTlsRig(t, authority);
    t.after(() => plain.close());
    const heard: Buffer[] = [];
    const sockets = new Set<Socket>();
    const raw = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('data', (chunk) => {
        heard.push(chunk);
        socket.end(Buffer.from([0, 4, 1, 2, 3, 4]));
      });
    });
    raw.listen(0, '127.0.0.1');
    await once(raw, 'listening');
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      raw.close();
    });
    const bound = raw.address();
    assert.ok(bound !== null && typeof bound === 'object');
    const tls = { name: NAME, pins: [] };
    const upstream: TlsUpstream = { address: '127.0.0.1', port: bound.port, tls };
    const refused = await outcome(upstream);
    assert.match(refused, /^unreachable \(no TLS with it, ERR_SSL_/);
    assert.equal(heard.length, 1);
    assert.equal(heard[0]?.[0], 22, 'a handshake record');
    assert.ok(!Buffer.concat(heard).includes(Buffer.from(QUERY.subarray(12, 20))));
    const { clock, outcome: ask } = openTlsRig(t, authority);
    const waiting = ask({ ...plain.address, tls });
    await until(() => plain.received.length > 0 || clock.pending > 0, 'something happens');
    clock.advance(TIMEOUT_MS);
    assert.equal(await waiting, 'timeout');
    assert.ok(plain.received.every(({ protocol }) => protocol === 'tcp'));
    assert.ok(plain.received.every(({ message }) => readMessage(message).qname !== 'ok.example.'));
  });

  test('a handshake that never ends is given up', async (t) => {
    const raw = createServer((socket) => socket.on('error', () => undefined));
    raw.listen(0, '127.0.0.1');
    await once(raw, 'listening');
    t.after(() => raw.close());
    const accepted = once(raw, 'connection');
    const bound = raw.address();
    assert.ok(bound !== null && typeof bound === 'object');
    const { clock, outcome } = openTlsRig(t, authority);
    const upstream = { address: '127.0.0.1', port: bound.port, tls: { name: NAME, pins: [] } };
    const first = outcome(upstream);
    const [socket] = (await accepted) as [Socket];
    const closed = once(socket, 'close');
    socket.resume();
    clock.advance(TIMEOUT_MS);
    assert.equal(await first, 'timeout');
    clock.advance(TIMEOUT_MS);
    await closed;
    assert.equal(await outcome(upstream), 'unreachable (ETIMEDOUT)');
  });

  test('without certificates of the system nobody is asked', async (t) => {
    const server = await openTlsServer(t, certificate, answering);
    const { outcome } = openTlsRig(t, authority, () => {
      throw new Error('unreadable');
    });
    assert.match(
      await outcome(server.at({ name: NAME })),
      /^unreachable \(the certificates of this/,
    );
  });

  test('queries under way end when the forwarder is closed, and so do connections', async (t) => {
    const server = await openTlsServer(t, certificate, silent);
    const { clock, forwarder, outcome } = openTlsRig(t, authority);
    const waiting = outcome(server.at({ name: NAME }));
    await until(() => server.received.length === 1, 'the query is there');
    forwarder.close();
    assert.equal(await waiting, 'the forwarder is closed');
    await until(() => server.open.size === 0, 'the connection is closed');
    assert.equal(clock.pending, 0);
  });
});
