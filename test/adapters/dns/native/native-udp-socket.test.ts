import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { loadLibc } from '../../../../src/adapters/dns/native/libc.ts';
import * as linux from '../../../../src/adapters/dns/native/linux-constants.ts';
import { openNativeUdpSockets } from '../../../../src/adapters/dns/native/native-udp-socket.ts';
import type { NativeUdpSocket } from '../../../../src/adapters/dns/native/native-udp-socket.ts';
import type { SocketAddress } from '../../../../src/core/config/config.ts';

const libc = await loadLibc();
const skip = libc.ok ? false : libc.error;

function open(t: TestContext, address: SocketAddress, count = 1): readonly NativeUdpSocket[] {
  assert.ok(libc.ok);
  const sockets = openNativeUdpSockets(libc.value, address, count);
  t.after(() => {
    for (const socket of sockets) socket.close();
  });
  return sockets;
}

const LOOPBACK: SocketAddress = { address: '127.0.0.1', port: 0 };

/** Value of an option of 32 bits. */
function option({ fd }: NativeUdpSocket, level: number, name: number): number {
  assert.ok(libc.ok);
  const value = new Uint32Array(1);
  const length = new Uint32Array([4]);
  const octets = (words: Uint32Array): Uint8Array => new Uint8Array(words.buffer);
  assert.equal(libc.value.getsockopt(fd, level, name, octets(value), octets(length)), 0);
  return value[0]!;
}

test('a socket on port 0 has the port that the kernel chose', { skip }, (t) => {
  for (const address of ['127.0.0.1', '::1', '0.0.0.0', '::']) {
    const [socket] = open(t, { address, port: 0 });
    assert.ok(socket);
    assert.equal(socket.address.address, address);
    assert.ok(socket.address.port > 0);
    assert.equal(socket.family, address.includes(':') ? 6 : 4);
    assert.equal(socket.isWildcard, address === '0.0.0.0' || address === '::');
  }
});

test('all sockets of an address have one port', { skip }, (t) => {
  const sockets = open(t, LOOPBACK, 3);
  assert.equal(sockets.length, 3);
  assert.equal(new Set(sockets.map(({ address }) => address.port)).size, 1);
  assert.equal(new Set(sockets.map(({ fd }) => fd)).size, 3);
});

for (const [first, second] of [
  [1, 1],
  [1, 2],
  [2, 1],
  [2, 2],
] as const) {
  test(
    `${second} sockets cannot join ${first} of another program on the same address`,
    { skip },
    (t) => {
      const [socket] = open(t, LOOPBACK, first);
      assert.ok(socket);
      assert.throws(() => open(t, socket.address, second), {
        code: 'listen-failed',
        message: /\(EADDRINUSE\): another program uses it/,
      });
    },
  );
}

test('an address that the node does not have is reported with a remedy', { skip }, (t) => {
  assert.throws(() => open(t, { address: '192.0.2.199', port: 5353 }), {
    code: 'listen-failed',
    message: /UDP 192\.0\.2\.199:5353 \(EADDRNOTAVAIL\): no interface of this node/,
  });
});

test('a failed opening leaves no descriptor behind', { skip }, (t) => {
  assert.ok(libc.ok);
  const [socket] = open(t, LOOPBACK);
  assert.throws(() => open(t, { ...socket!.address }, 2), { code: 'listen-failed' });
  const [next] = open(t, LOOPBACK);
  assert.equal(next!.fd, socket!.fd + 1);
});

test('programs that the daemon starts do not inherit a socket', { skip }, (t) => {
  for (const { fd } of open(t, LOOPBACK, 2)) {
    const [, flags = ''] = /^flags:\s+(\d+)/m.exec(
      readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'),
    )!;
    assert.ok((Number.parseInt(flags, 8) & linux.SOCK_CLOEXEC) !== 0, flags);
  }
});

test('no ICMP message changes how answers are sent (RFC 9715)', { skip }, (t) => {
  const [four] = open(t, LOOPBACK);
  const [six] = open(t, { address: '::1', port: 0 });
  assert.equal(option(four!, linux.IPPROTO_IP, linux.IP_MTU_DISCOVER), linux.PMTUDISC_OMIT);
  assert.equal(option(six!, linux.IPPROTO_IPV6, linux.IPV6_MTU_DISCOVER), linux.PMTUDISC_OMIT);
});

test(
  'the receive buffer is larger than the system’s default where the system allows it',
  { skip },
  async (t) => {
    const plain = createSocket('udp4').bind(0, '127.0.0.1');
    t.after(() => plain.close());
    await once(plain, 'listening');
    for (const socket of open(t, LOOPBACK, 2)) {
      assert.ok(socket.receiveBufferBytes >= plain.getRecvBufferSize());
    }
  },
);

test(
  'datagrams that find no room are counted, also after the socket is closed',
  { skip },
  async (t) => {
    assert.ok(libc.ok);
    const [socket] = open(t, LOOPBACK);
    assert.ok(socket);
    assert.equal(socket.drops(), 0);
    const small = new Uint8Array(new Int32Array([1]).buffer);
    libc.value.setsockopt(socket.fd, linux.SOL_SOCKET, linux.SO_RCVBUF, small, small.length);
    const client = createSocket('udp4');
    t.after(() => client.close());
    for (let i = 0; i < 50; i++) {
      await new Promise((resolve) =>
        client.send(new Uint8Array(500), socket.address.port, '127.0.0.1', resolve),
      );
    }
    const drops = socket.drops();
    assert.ok(drops > 0 && drops < 50, `${drops} dropped`);
    socket.close();
    assert.equal(socket.drops(), drops);
  },
);
